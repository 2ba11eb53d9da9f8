//! The terminal summary: what it says, and that it fits.
#![cfg(feature = "testkit")]

use lmpcap::report::{Lang, text};
use lmpcap::testkit::sample;
use unicode_width::UnicodeWidthStr;

#[test]
fn summaries_read_well() {
    insta::assert_snapshot!("text_report_en", text::summary(&sample::report(), Lang::En, 80, false));
    insta::assert_snapshot!("text_report_id", text::summary(&sample::report(), Lang::Id, 80, false));
    insta::assert_snapshot!("text_dead_en", text::summary(&sample::dead(), Lang::En, 80, false));
    insta::assert_snapshot!("text_several_en", text::summary(&sample::several(), Lang::En, 80, false));
    insta::assert_snapshot!("text_empty_id", text::summary(&sample::empty(), Lang::Id, 80, false));
    insta::assert_snapshot!("text_hostile_en", text::summary(&sample::hostile(), Lang::En, 80, false));
}

#[test]
fn it_fits_at_every_width() {
    for report in [sample::report(), sample::dead(), sample::several(), sample::empty(), sample::hostile()] {
        for lang in [Lang::En, Lang::Id] {
            for width in [0, 40, 60, 80, 120, 200] {
                let text = text::summary(&report, lang, width, false);
                assert!(text.lines().count() <= text::LINES, "{} lines:\n{text}", text.lines().count());
                for line in text.lines() {
                    assert!(line.width() <= width.max(40), "{} columns, not {width}: {line}", line.width());
                    assert!(!line.chars().any(char::is_control), "a control character in {line:?}");
                }
            }
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    for report in [sample::report(), sample::dead(), sample::several()] {
        let plain = text::summary(&report, Lang::En, 80, false);
        let colored = text::summary(&report, Lang::En, 80, true);
        assert!(colored.contains("\x1b["));
        let mut stripped = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            stripped.push_str(before);
            rest = after.split_once('m').expect("SGR only").1;
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
    }
}

#[test]
fn the_first_line_says_what_matters_most() {
    let first = |report| text::summary(&report, Lang::En, 80, false).lines().next().unwrap().to_owned();
    assert!(first(sample::dead()).starts_with("Completed, but the VM never answered again"), "{}", first(sample::dead()));
    assert!(first(sample::several()).starts_with("3 migrations: 1 cancelled, 1 incomplete and 1 completed"));
    assert_eq!(first(sample::empty()), "No packet was read");
}
