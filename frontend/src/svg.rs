//! A canvas context that writes what is drawn as SVG: the same code draws the page and the file.
//!
//! It has the methods and properties of the browser's own that the page's painting uses, by their names, and is handed
//! to it in place of one.

use std::fmt::Write as _;

use wasm_bindgen::prelude::*;
use web_sys::CanvasRenderingContext2d as Context;

use crate::svg_text::{Font, escaped};

/// What `save` keeps.
#[derive(Clone)]
struct Style {
    fill: String,
    stroke: String,
    width: f64,
    cap: String,
    join: String,
    alpha: f64,
    font: Font,
    align: String,
    baseline: String,
    dash: String,
    /// Groups that were opened since the last `save`.
    groups: usize,
}

#[wasm_bindgen]
pub struct SvgContext {
    out: String,
    definitions: String,
    path: String,
    style: Style,
    saved: Vec<Style>,
    /// Of gradients and clips, so that each has a name.
    named: usize,
    /// Measures words.
    measure: Context,
}

#[wasm_bindgen]
pub struct SvgGradient {
    ends: [f64; 4],
    stops: String,
}

#[wasm_bindgen]
impl SvgGradient {
    #[wasm_bindgen(js_name = addColorStop)]
    pub fn add_color_stop(&mut self, offset: f64, colour: &str) {
        let _ = write!(self.stops, r#"<stop offset="{offset}" stop-color="{}"/>"#, escaped(colour));
    }

    /// All but its name.
    #[wasm_bindgen(getter)]
    pub fn definition(&self) -> String {
        let [x1, y1, x2, y2] = self.ends.map(rounded);
        format!(r#"gradientUnits="userSpaceOnUse" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}">{}"#, self.stops)
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl SvgContext {
    /// `measure` is a context of the browser's own.
    pub fn new(measure: Context) -> Self {
        let style = Style {
            fill: "#000".into(),
            stroke: "#000".into(),
            width: 1.0,
            cap: "butt".into(),
            join: "miter".into(),
            alpha: 1.0,
            font: Font::default(),
            align: "left".into(),
            baseline: "alphabetic".into(),
            dash: String::new(),
            groups: 0,
        };
        Self {
            out: String::new(),
            definitions: String::new(),
            path: String::new(),
            style,
            saved: Vec::new(),
            named: 0,
            measure,
        }
    }

    fn point(&mut self, command: char, numbers: &[f64]) {
        self.path.push(command);
        for number in numbers {
            let _ = write!(self.path, "{} ", rounded(*number));
        }
    }

    fn stroke_attributes(&self) -> String {
        let Style { stroke, width, cap, join, dash, .. } = &self.style;
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        format!(
            r#"stroke="{stroke}" stroke-width="{}" stroke-linecap="{cap}" stroke-linejoin="{join}"{dash}"#,
            rounded(*width)
        )
    }

    fn opacity(&self) -> String {
        if self.style.alpha < 1.0 { format!(r#" opacity="{}""#, rounded(self.style.alpha)) } else { String::new() }
    }

    fn open(&mut self, attribute: &str) {
        let _ = write!(self.out, "<g {attribute}>");
        self.style.groups += 1;
    }

    fn text(&mut self, words: &str, x: f64, y: f64, ink: &str) {
        let anchor = match self.style.align.as_str() {
            "center" => "middle",
            "right" | "end" => "end",
            _ => "start",
        };
        let baseline = if self.style.baseline == "middle" { r#" dominant-baseline="central""# } else { "" };
        let Font { weight, size, family } = &self.style.font;
        let line = format!(
            r#"<text x="{}" y="{}" font-family="{}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"{baseline} {ink}{}>{}</text>"#,
            rounded(x),
            rounded(y),
            escaped(family),
            self.opacity(),
            escaped(words)
        );
        self.out.push_str(&line);
    }

    fn paint(&mut self, value: &JsValue) -> Option<String> {
        if let Some(colour) = value.as_string() {
            return Some(escaped(&colour));
        }
        let definition = js_sys::Reflect::get(value, &"definition".into()).ok()?.as_string()?;
        self.named += 1;
        let _ = write!(self.definitions, r#"<linearGradient id="s{}" {definition}</linearGradient>"#, self.named);
        Some(format!("url(#s{})", self.named))
    }
}

#[wasm_bindgen]
impl SvgContext {
    /// The whole file, of so many pixels.
    #[wasm_bindgen]
    pub fn file(&self, width: f64, height: f64, ground: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"><defs>{}</defs><rect width="{width}" height="{height}" fill="{}"/>{}</svg>"#,
            self.definitions,
            escaped(ground),
            self.out
        )
    }

    pub fn save(&mut self) {
        self.saved.push(self.style.clone());
        self.style.groups = 0;
    }

    pub fn restore(&mut self) {
        for _ in 0..self.style.groups {
            self.out.push_str("</g>");
        }
        if let Some(style) = self.saved.pop() {
            self.style = style;
        }
    }

    pub fn translate(&mut self, x: f64, y: f64) {
        self.open(&format!(r#"transform="translate({} {})""#, rounded(x), rounded(y)));
    }

    pub fn scale(&mut self, x: f64, y: f64) {
        self.open(&format!(r#"transform="scale({x} {y})""#));
    }

    #[wasm_bindgen(js_name = beginPath)]
    pub fn begin_path(&mut self) {
        self.path.clear();
    }

    #[wasm_bindgen(js_name = moveTo)]
    pub fn move_to(&mut self, x: f64, y: f64) {
        self.point('M', &[x, y]);
    }

    #[wasm_bindgen(js_name = lineTo)]
    pub fn line_to(&mut self, x: f64, y: f64) {
        self.point('L', &[x, y]);
    }

    #[wasm_bindgen(js_name = bezierCurveTo)]
    pub fn bezier_curve_to(&mut self, ax: f64, ay: f64, bx: f64, by: f64, x: f64, y: f64) {
        self.point('C', &[ax, ay, bx, by, x, y]);
    }

    #[wasm_bindgen(js_name = quadraticCurveTo)]
    pub fn quadratic_curve_to(&mut self, ax: f64, ay: f64, x: f64, y: f64) {
        self.point('Q', &[ax, ay, x, y]);
    }

    #[wasm_bindgen(js_name = closePath)]
    pub fn close_path(&mut self) {
        self.path.push('Z');
    }

    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64) {
        self.point('M', &[x, y]);
        self.point('h', &[width]);
        self.point('v', &[height]);
        self.point('h', &[-width]);
        self.path.push('Z');
    }

    #[wasm_bindgen(js_name = roundRect)]
    pub fn round_rect(&mut self, x: f64, y: f64, width: f64, height: f64, radius: f64) {
        let r = radius.min(width / 2.0).min(height / 2.0);
        let (right, bottom) = (x + width, y + height);
        self.point('M', &[x + r, y]);
        for (line, corner, end) in [
            ([right - r, y], [right, y], [right, y + r]),
            ([right, bottom - r], [right, bottom], [right - r, bottom]),
            ([x + r, bottom], [x, bottom], [x, bottom - r]),
            ([x, y + r], [x, y], [x + r, y]),
        ] {
            self.point('L', &line);
            self.point('Q', &[corner[0], corner[1], end[0], end[1]]);
        }
        self.path.push('Z');
    }

    pub fn arc(&mut self, x: f64, y: f64, radius: f64, from: f64, to: f64) {
        let at = |angle: f64| [x + radius * angle.cos(), y + radius * angle.sin()];
        let tau = std::f64::consts::TAU;
        // As canvas has it: clockwise, a whole turn at most.
        let turn = if to - from >= tau { tau } else { (to - from).rem_euclid(tau) };
        let start = at(from);
        self.point(if self.path.is_empty() { 'M' } else { 'L' }, &start);
        let middle = at(from + turn / 2.0);
        let end = at(from + turn);
        for point in [middle, end] {
            self.point('A', &[radius, radius, 0.0, 0.0, 1.0, point[0], point[1]]);
        }
    }

    pub fn fill(&mut self) {
        let line = format!(r#"<path d="{}" fill="{}"{}/>"#, self.path, self.style.fill, self.opacity());
        self.out.push_str(&line);
    }

    pub fn stroke(&mut self) {
        let line = format!(r#"<path d="{}" fill="none" {}{}/>"#, self.path, self.stroke_attributes(), self.opacity());
        self.out.push_str(&line);
    }

    pub fn clip(&mut self) {
        self.named += 1;
        let _ = write!(self.definitions, r#"<clipPath id="s{}"><path d="{}"/></clipPath>"#, self.named, self.path);
        self.open(&format!(r#"clip-path="url(#s{})""#, self.named));
    }

    #[wasm_bindgen(js_name = fillRect)]
    pub fn fill_rect(&mut self, x: f64, y: f64, width: f64, height: f64) {
        let [x, y, width, height] = [x, y, width, height].map(rounded);
        let line = format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{}"{}/>"#,
            self.style.fill,
            self.opacity()
        );
        self.out.push_str(&line);
    }

    #[wasm_bindgen(js_name = fillText)]
    pub fn fill_text(&mut self, words: &str, x: f64, y: f64) {
        let ink = format!(r#"fill="{}""#, self.style.fill);
        self.text(words, x, y, &ink);
    }

    #[wasm_bindgen(js_name = strokeText)]
    pub fn stroke_text(&mut self, words: &str, x: f64, y: f64) {
        let ink = format!(r#"fill="none" {}"#, self.stroke_attributes());
        self.text(words, x, y, &ink);
    }

    #[wasm_bindgen(js_name = measureText)]
    pub fn measure_text(&self, words: &str) -> Result<web_sys::TextMetrics, JsValue> {
        self.measure.measure_text(words)
    }

    #[wasm_bindgen(js_name = setLineDash)]
    pub fn set_line_dash(&mut self, dash: &js_sys::Array) {
        let parts: Vec<String> = dash.iter().filter_map(|part| Some(rounded(part.as_f64()?).to_string())).collect();
        self.style.dash = parts.join(" ");
    }

    #[wasm_bindgen(js_name = createLinearGradient)]
    pub fn create_linear_gradient(&self, x1: f64, y1: f64, x2: f64, y2: f64) -> SvgGradient {
        SvgGradient { ends: [x1, y1, x2, y2], stops: String::new() }
    }

    #[wasm_bindgen(setter, js_name = fillStyle)]
    pub fn set_fill_style(&mut self, value: &JsValue) {
        if let Some(paint) = self.paint(value) {
            self.style.fill = paint;
        }
    }

    #[wasm_bindgen(setter, js_name = strokeStyle)]
    pub fn set_stroke_style(&mut self, value: &JsValue) {
        if let Some(paint) = self.paint(value) {
            self.style.stroke = paint;
        }
    }

    #[wasm_bindgen(setter, js_name = lineWidth)]
    pub fn set_line_width(&mut self, width: f64) {
        self.style.width = width;
    }

    #[wasm_bindgen(setter, js_name = lineCap)]
    pub fn set_line_cap(&mut self, cap: String) {
        self.style.cap = cap;
    }

    #[wasm_bindgen(setter, js_name = lineJoin)]
    pub fn set_line_join(&mut self, join: String) {
        self.style.join = join;
    }

    #[wasm_bindgen(setter, js_name = globalAlpha)]
    pub fn set_global_alpha(&mut self, alpha: f64) {
        self.style.alpha = alpha;
    }

    #[wasm_bindgen(setter)]
    pub fn set_font(&mut self, font: &str) {
        self.measure.set_font(font);
        self.style.font = Font::parse(font);
    }

    #[wasm_bindgen(setter, js_name = textAlign)]
    pub fn set_text_align(&mut self, align: String) {
        self.style.align = align;
    }

    #[wasm_bindgen(setter, js_name = textBaseline)]
    pub fn set_text_baseline(&mut self, baseline: String) {
        self.style.baseline = baseline;
    }
}
