//! The report as one HTML page: no script, no request, nothing from outside; for the screen, the phone and paper.

use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use sha2::{Digest, Sha256};

use super::document::{self, Document};
use super::words::Words;
use super::{WriteOptions, output};
use crate::error::{Error, Result};
use crate::model::Report;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");

/// The page.
///
/// # Errors
/// The template cannot be filled, which no report gives it cause for.
pub fn page(report: &Report, words: Words) -> Result<String> {
    render(&document::build(report, words), words.t("html.kicker"), words.t("html.report"), words)
}

/// A document as a page. `kicker` stands over its title, `report` behind it in the window's title.
///
/// # Errors
/// The template cannot be filled, which no document gives it cause for.
pub fn render(doc: &Document, kicker: &str, report: &str, words: Words) -> Result<String> {
    let broken = |error: minijinja::Error| Error::new(format!("cannot fill the template of the page: {error:#}"));
    let mut environment = Environment::new();
    // The ending of the name turns escaping on.
    environment.add_template("page.html", PAGE).map_err(broken)?;
    let template = environment.get_template("page.html").map_err(broken)?;
    let say = context! {
        contents => words.t("html.contents"),
        kicker => kicker,
        open => words.t("html.open"),
        report => report,
        skip => words.t("html.skip"),
        summary => words.t("html.summary"),
        warnings => words.t("html.warnings"),
    };
    let doc = Value::from(Serde(doc));
    template.render(context! { doc, say, style => STYLE, style_hash => style_hash() }).map_err(broken)
}

pub(super) fn write(report: &Report, dir: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
    let page = page(report, Words::new(options.lang))?;
    output::file(dir, "report.html", |out| out.write_all(page.as_bytes())).map(|file| vec![file])
}

/// The style sheet's hash as a source of a Content Security Policy (CSP level 3, 2.3.1): nothing else may style the page.
fn style_hash() -> String {
    format!("sha256-{}", base64(&Sha256::digest(STYLE.as_bytes())))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0u32, |group, (i, byte)| group | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            out.push(if i <= chunk.len() { char::from(DIGITS[(group >> (18 - 6 * i)) as usize & 63]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (text, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }
}
