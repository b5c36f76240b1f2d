"""Marks of every form of text that is parsed: what a fuzzer and the mutations of the tests put into inputs."""

TOKENS = [
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\r", b"\\", b"\\u", b"\\ud800", b"\x00", b"\xff",
    b"\xe2\x80\xa8", b"- ", b"? ", b"&a ", b"*a", b"---\n", b"# ", b"```\n", b"|", b"<a>", b"</", b"<![CDATA[",
    b"&#0;", b"Q: ", b"A: ", b"^ ", b"#Q ", b"NaN", b"1e999", b"\xed\xa0\x80", b"\xfe\xff", b"\xef\xbb\xbf", b"  ",
    b"**",
]  # fmt: skip
