//! Words in SVG: what a canvas' font says, and text that cannot be taken for markup.

/// As a canvas has it: `600 13px Inter, sans-serif`.
#[derive(Clone, Debug, PartialEq)]
pub struct Font {
    pub weight: String,
    /// Pixels.
    pub size: f64,
    pub family: String,
}

impl Default for Font {
    fn default() -> Self {
        Self { weight: "400".into(), size: 10.0, family: "sans-serif".into() }
    }
}

impl Font {
    /// What is not understood is as by default.
    pub fn parse(font: &str) -> Self {
        let mut font_parts = font.splitn(3, ' ');
        let (Some(weight), Some(size), Some(family)) = (font_parts.next(), font_parts.next(), font_parts.next()) else {
            return Self::default();
        };
        let size = size.strip_suffix("px").and_then(|size| size.parse().ok()).unwrap_or(10.0);
        Self { weight: weight.into(), size, family: family.into() }
    }
}

/// For text and for attributes in double quotes. What XML has no place for is left out.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\t' | '\n') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_font_is_read_and_what_is_none_is_the_default() {
        let font = Font { weight: "600".into(), size: 12.5, family: "\"Inter\", sans-serif".into() };
        assert_eq!(Font::parse("600 12.5px \"Inter\", sans-serif"), font);
        assert_eq!(Font::parse("bold"), Font::default());
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(escaped("<b a=\"1\">&\u{0}x"), "&lt;b a=&quot;1&quot;&gt;&amp;x");
    }
}
