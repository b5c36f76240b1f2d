"""A reason for which a record or a file was not taken in; what a person can do about it out."""

from __future__ import annotations

# how each reason can be mended; what is not here has no better advice than the last line
_MENDS = {
    "answers_only": "send the questions with the answers, in one file",
    "broken_archive": "ask the sender to pack the files again",
    "broken_json": "ask the sender for the whole file; of one that was cut short the records before the cut are good",
    "broken_json_line": "mend this line in a copy of the file and send the copy: what is known is not doubled",
    "broken_link": "put the file itself in the place of the link",
    "broken_row": "mend the quoting of this row in a copy of the file and send the copy; what is known is not doubled",
    "empty_answer": "nothing visible is left of the answer; send the record with one",
    "empty_question": "nothing visible is left of the question; send the record with one",
    "field_too_large": "split the record; such a length is most often a whole document in one field",
    "folder_loop": "remove the link: it leads to a folder that it lies in",
    "lfs_pointer": "the file is only a pointer to large file storage: fetch the content ('git lfs pull') and send that",
    "link_leaves_workspace": "copy the file into the inbox; links that lead out of the workspace are not followed",
    "mapping_does_not_fit": "correct the mapping of this file in etl.toml, [read] mappings",
    "no_answer": "send the record with an answer; one under another name needs a mapping in etl.toml",
    "no_question": "send the record with a question; where the file has one under another name, give a mapping",
    "not_a_file": "a pipe, a socket or a device is not read; send a file",
    "not_a_record": "where an object was expected stands something else: mend this place in a copy and send the copy",
    "parked_after_three_attempts": "its reader died three times; raise [read] memory_mb or timeout_s, then retry",
    "questions_only": "send the answers with the questions, in one file",
    "ragged_row": "this row has more or fewer cells than the heading: mend it in a copy of the file and send the copy",
    "reader_died": "the next run tries it again; raise [read] memory_mb or timeout_s where it is merely large",
    "retracted_by_user": "'etl delivery restore' takes the retraction back",
    "tabular": "a table without questions and answers; give a mapping in etl.toml if two of its columns are these",
    "undecodable": "ask for the file in UTF-8",
    "unmapped": "say in etl.toml, [read] mappings, which columns are question and answer; then run again",
    "unreadable": "give yourself the right to read it, then run again",
    "wrong_answer_label": "the sender marks this answer as wrong; nothing to mend unless the mark itself is wrong",
}
_OTHERWISE = "look at the record in its file; after a change of code or settings 'etl rejects retry' reads it again"


def how_to_mend(reason: str) -> str:
    """What a person can do about a reason, in one line."""
    return _MENDS.get(reason, _OTHERWISE)
