"""gen_re.py: what Python's re finds, for TestPatterns. python gen_re.py > re.json, with Python 3.11 or newer."""
import json
import re

TEXTS = ["", "a", "abc", "aaa", "a\n", "a\nb\n", "foo bar  foo", "from {{ ref('x') }} join t on (a.b = c.d)", "Straße über\nÜBER", "2024-01-02, 1999-12-31",
         "'x' \"y\" 'z\"", "select distinct from a, from b -- from c", "abcabc abab", "\t x_1 \r\n", "\u0661\u0662 k\u212a", "(a) b)", "aXbXc", "{1,2} a{2}"]
PATTERNS = [
    "a", "a*", "a+?", "a??", "(a)|b", "(a*)*", "(a|b)*c", "(?:a|ab)(?:c|bcd)?", "^a$", "(?m)^a$", "a$", "a\\Z", "\\Aa", "$", "^", "(?m)^", "(?m)$", "", "\\b", "\\B", "\\b\\w+\\b", "\\w+", "\\W+",
    "\\d+", "\\D", "\\s+", "\\S+", "(?a)\\w+", "(?a)\\d+", "(?a)\\s", "(?a)\\b\\w", "(?i)über", "(?i)stra[ß]e", "(?i)K", "(?i)[k]", "[^\\W\\d]+", "[^a\\s]+", "[]a]+", "[^]a]+", "[a-]+", "[\\]\\)]", "[a-c]{2,3}", "a{2}", "a{,2}", "a{1,}?", "a{",
    "{1,2}", "x{,}", "(?=b)", "a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", "(?<!distinct\\s)from\\s+(\\w)", "(?<=^)a", "(?<=ab|cd)c", "(.)\\1", "(\\w+) .*\\1", "(?P<q>['\"]).*?(?P=q)", "(?i)(a)x\\1", "(a)?b(?(1)c|b)",
    "(?P<n>a)?(?(n)b|c)", "(?>a+)b", "(?>a|ab)c", "a++", "a++a", "a*+b", "(?:ab)++", "a?+a", "(ab){2,}+", "(?s).+", ".+", ".*", "(?s:.)(.)", "(?i:A)b", "(?-i:a)B", "(?i)(?-i:A)", "(?x) a  b # c\n c", "(?x)[ ]\\ x", "(?x: a b )c",
    "a(?#note)b", "(?P<x>\\w)(?P<y>\\w)", "\\x61\\u0062\\143", "\\{\\{.*?\\}\\}", "(\\{\\{\\s*ref\\s*\\(\\s*'([^)']+)'\\s*\\)\\s*\\}\\})", "(from|join)\\s+([\\w.]+|\\{\\{[^}]*\\}\\})(?=\\s|$)", "(\\d{4})-(\\d\\d)(?:-(\\d\\d))?",
    "(a)|(b)|(c)", "((a)|b)*", "(?:(a)|b)*", "(?:a*?)*?b", "(|a)*", "(|a)+", "(a|)+", "(a?)*?$", "\\n", "[\\n\\t]", "[\\b]", "\\.", "\\-", "(?u)\\w", "x|", "|x", "()", "(?:)", "(?!)", "(?=)a",
    "(", ")", "a)", "(?P<1>a)", "[", "[b-a]", "*", "a**", "a{3,2}", "\\", "\\q", "(?<=a*)b", "(?P=z)", "\\2", "(?z)", "a+++", "(?<n>a)", "[a", "(?i", "(?(1)a|b|c)", "\\x6",
]


def found(m):
    return [list(m.span(g)) for g in range(m.re.groups + 1)]


def case(pattern, flags):
    try:
        compiled = re.compile(pattern, flags)
    except (re.error, OverflowError):
        return {"pattern": pattern, "flags": flags, "wrong": True}
    texts = {}
    for text in TEXTS:
        match, full = compiled.match(text), compiled.fullmatch(text)
        texts[text] = [[found(m) for m in compiled.finditer(text)], match and found(match), full and found(full)]
    return {"pattern": pattern, "flags": flags, "texts": texts}


print("[" + ",\n".join(json.dumps(case(p, int(f)), ensure_ascii=False, separators=(",", ":")) for p, f in [(p, 0) for p in PATTERNS] + [(p, re.I | re.M) for p in PATTERNS[::3]]) + "]")
