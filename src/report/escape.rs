//! Strings from a capture are hostile until escaped: a host name may hold terminal sequences, a URL markup, a file name a formula.
//!
//! Two steps. [`visible`] is for all formats: what would not show, or would show as something else, becomes a visible escape.
//! Then each format has its own.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest string that a table shows; the JSON report has it whole.
pub const SHOWN_CHARS: usize = 160;

/// True for characters that act on the display instead of being shown: controls, line and paragraph separators, bidirectional
/// controls (they can make a name read as another one), zero-width characters, tags and other format characters.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` with every character that acts on the display replaced by a visible escape such as `\x1b` or `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) && (c as u32) < 0x100 => _ = write!(out, "\\x{:02x}", c as u32),
            c if acts(c) => _ = write!(out, "\\u{{{:x}}}", c as u32),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// [`visible`], and cut in the middle to [`SHOWN_CHARS`] characters: both ends of a path tell something.
pub fn shown(text: &str) -> Cow<'_, str> {
    let text = visible(text);
    let count = text.chars().count();
    if count <= SHOWN_CHARS {
        return text;
    }
    let head: String = text.chars().take(SHOWN_CHARS * 2 / 3).collect();
    let tail: String = text.chars().skip(count - SHOWN_CHARS / 3 + 1).collect();
    Cow::Owned(format!("{head}…{tail}"))
}

/// For text and for quoted attribute values in HTML and SVG.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For a cell of a CSV file that a spreadsheet may open: a cell that it would take for a formula gets an apostrophe before it
/// (OWASP "CSV Injection"). Quoting is the CSV writer's work.
pub fn csv(text: &str) -> Cow<'_, str> {
    let text = visible(text);
    // Full-width signs are taken for the plain ones by some spreadsheets. Tab and CR, the other two starts that OWASP names, are
    // visible escapes by now.
    match text.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@' | '|' | '%' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') => Cow::Owned(format!("'{text}")),
        _ => text,
    }
}

/// For LaTeX text mode.
pub fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let text = visible(text);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => {
                out.push('\\');
                out.push(c);
            }
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("\\textquotedbl{}"),
            '\'' => out.push_str("\\textquotesingle{}"),
            '`' => out.push_str("\\textasciigrave{}"),
            // Ligatures would change what is read.
            '-' | ',' => {
                out.push(c);
                if chars.peek() == Some(&c) {
                    out.push_str("{}");
                }
            }
            '[' | ']' => {
                out.push('{');
                out.push(c);
                out.push('}');
            }
            '→' => out.push_str("$\\rightarrow$"),
            '≈' => out.push_str("$\\approx$"),
            '−' => out.push_str("$-$"),
            '⁶' => out.push_str("$^6$"),
            '–' => out.push_str("--"),
            '“' => out.push_str("\\textquotedblleft{}"),
            '”' => out.push_str("\\textquotedblright{}"),
            '…' => out.push_str("\\ldots{}"),
            '\u{a0}' => out.push('~'),
            // What T1 fonts have; for the rest pdfLaTeX stops with an error, whoever named a host so.
            c if c.is_ascii() || ('\u{a1}'..='\u{17f}').contains(&c) => out.push(c),
            c => _ = write!(out, "\\texttt{{U+{:04X}}}", c as u32),
        }
    }
    out
}

/// For a name from a capture in Markdown: a code span, in which only back-ticks and, in a table, bars have a meaning.
pub fn markdown_code(text: &str) -> String {
    let text = visible(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // CommonMark takes one space off at each end.
    if text.starts_with('`') || text.ends_with('`') || longest > 0 {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// For a cell or a sentence in Markdown (CommonMark with GitHub's additions): every character with a meaning is escaped, HTML too.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let text = visible(text);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A back-slash does not protect a bar everywhere in tables.
            '|' => out.push_str("&#124;"),
            // `://`, `@` and `www.` would become links by themselves.
            ':' if chars.peek() == Some(&'/') => out.push_str("&#58;"),
            '@' => out.push_str("&#64;"),
            '.' if out.len() >= 3 && out.is_char_boundary(out.len() - 3) && out[out.len() - 3..].eq_ignore_ascii_case("www") => {
                out.push_str("&#46;");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // At the start of a line: headings, lists, rules.
            '#' | '+' | '-' | '=' if out.is_empty() => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if !out.is_empty() && out.bytes().all(|b| b.is_ascii_digit()) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// For a terminal: [`visible`] is all that it takes.
pub fn terminal(text: &str) -> Cow<'_, str> {
    visible(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_the_display_becomes_visible() {
        assert_eq!(visible("vm\x1b[2J\x07"), "vm\\x1b[2J\\x07");
        assert_eq!(visible("a\u{202e}b\u{2066}c\u{200f}"), "a\\u{202e}b\\u{2066}c\\u{200f}");
        assert_eq!(visible("line\r\nnext\t\u{85}\u{2028}"), "line\\r\\nnext\\t\\x85\\u{2028}");
        assert_eq!(visible("\u{feff}x\u{200b}\u{e0041}\u{fe0f}"), "\\u{feff}x\\u{200b}\\u{e0041}\\u{fe0f}");
        assert!(matches!(visible("naïve 日本 🎬 é"), Cow::Borrowed(_)));
    }

    #[test]
    fn each_format_escapes_its_own() {
        assert_eq!(html("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "|cmd", "%x", " =1", "\u{ff1d}1"] {
            assert_eq!(csv(formula), format!("'{formula}"));
        }
        assert_eq!(csv("\t=1"), "\\t=1");
        assert_eq!(csv("plain"), "plain");
        assert_eq!(
            latex(r"\input{/etc/passwd}%_#$&~^"),
            r"\textbackslash{}input\{/etc/passwd\}\%\_\#\$\&\textasciitilde{}\textasciicircum{}"
        );
        assert_eq!(latex("a--b-c,,"), "a-{}-b-c,{},");
        assert_eq!(markdown("[x](http://a)|<b>"), r"\[x\](http&#58;//a)&#124;&lt;b&gt;");
        assert_eq!(markdown("- a-b"), r"\- a-b");
        assert_eq!(markdown("12. x"), r"12\. x");
        assert_eq!(markdown("1.5"), r"1\.5");
        assert_eq!(markdown_code("a`b|"), r"`` a`b\| ``");
        assert_eq!(markdown("www.a.example"), "www&#46;a.example");
    }

    #[test]
    fn long_strings_keep_both_ends() {
        let long = format!("/start{}end.ts", "x".repeat(1000));
        let cut = shown(&long);
        assert!(cut.chars().count() <= SHOWN_CHARS);
        assert!(cut.starts_with("/start") && cut.ends_with("end.ts"));
    }

    proptest! {
        #[test]
        fn nothing_that_acts_survives(text in any::<String>()) {
            for out in [visible(&text).into_owned(), html(&text), csv(&text).into_owned(), latex(&text), shown(&text).into_owned()] {
                prop_assert!(!out.chars().any(acts), "{out:?}");
            }
        }

        #[test]
        fn html_keeps_no_markup(text in any::<String>()) {
            let out = html(&text);
            let found = out.contains(['<', '>', '"', '\'']);
            prop_assert!(!found, "{}", out);
        }
    }
}
