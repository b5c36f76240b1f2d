"""What pairs are worth: each by itself (`assess`), in the corpus (`audit`), and on one page for a person (`report`)."""
