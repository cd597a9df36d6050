"""Finds what g++ 12 compiles wrongly around co_await: temporaries of the same full-expression that it destroys twice.

The search is by text and errs on the strict side. Each rule has a way of writing the same that is right everywhere.
"""

import re

KEYWORDS_BEFORE_A_BLOCK = r"(?:else|do|try|const|noexcept|mutable|override|final)"

RULES = (
    (
        "an awaited temporary made with braces: name it first, or use a constructor or a function",
        r"co_await\s+(?:[A-Za-z_][\w:]*)(?:<[^;{}()]*>)?\s*\{",
    ),
    (
        "braces around co_await: await into a local first",
        r"(?:\breturn|(?<!->)(?<!\w)(?!" + KEYWORDS_BEFORE_A_BLOCK + r"\b)[A-Za-z_]\w*|=|,|\()\s*\{[^;{}]*\bco_await\b",
    ),
    ("a choice between two co_await: use if and else", r"\?[^;?]*\bco_await\b[^;]*:|\?[^;?]*:\s*co_await\b"),
    ("an exception made from co_await: await into a local first", r"\bthrow\b[^;]*\bco_await\b"),
    ("a capture made with co_await: await into a local first", r"\[[^\][;]*\bco_await\b[^;]*\]\s*[({]"),
)

# A lambda that captures anything but references and `this`.
VALUE_CAPTURE = re.compile(r"(?<![\w\])])\[(?P<captures>[^\][;]*)\]\s*(?:\([^;{}]*\)|mutable|noexcept|\{|->)")


def violations(code):
    """(line, text of the rule) for code without comments and literals."""
    found = []
    for text, pattern in RULES:
        for match in re.finditer(pattern, code):
            if is_block_of_function(code, match):
                continue
            found.append((line_of(code, match.start()), text))
    for match in re.finditer(r"\bco_await\b", code):
        for capture in value_captures(full_expression(code, match.start())):
            found.append((line_of(code, match.start()), f"a lambda that captures [{capture}]: name it first"))
    return sorted(set(found))


def line_of(code, position):
    return code.count("\n", 0, position) + 1


def is_block_of_function(code, match):
    """`-> task<> {` and `-> task {` open the body of a lambda or a function."""
    brace = code.find("{", match.start())
    return re.search(r"->\s*[\w:<>,\s*&]*$", code[max(0, brace - 120) : brace]) is not None


def full_expression(code, position):
    """The statement around a co_await, without the block that it may control."""
    start = position
    while start > 0 and code[start - 1] not in ";{}":
        start -= 1
    depth = 0
    end = position
    while end < len(code):
        character = code[end]
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth < 0 and (character == "}" or re.match(r"\)\s*\{", code[end : end + 80])):
                break
        elif character == ";" and depth <= 0:
            break
        end += 1
    return code[start:end]


def value_captures(expression):
    for match in VALUE_CAPTURE.finditer(expression):
        captures = match["captures"].strip()
        parts = [part.strip() for part in captures.split(",")]
        if captures and any(not part.startswith("&") and part != "this" for part in parts):
            yield captures
