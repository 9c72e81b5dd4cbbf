//! A line chart as SVG, without a plotting library. The picture has its own background, in a light and a dark version.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::{fs, io};

pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) subtitle: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Marked ranges of x, with their names.
    pub(crate) bands: Vec<(RangeInclusive<f64>, &'static str)>,
    /// Later series are drawn over earlier ones. The legend has the opposite order.
    pub(crate) series: Vec<Series>,
}

pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) colour: Colour,
    pub(crate) points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Colour {
    First,
    Second,
    Third,
}

impl Colour {
    fn class(self) -> &'static str {
        match self {
            Self::First => "a",
            Self::Second => "b",
            Self::Third => "c",
        }
    }
}

pub(crate) struct Axis {
    label: &'static str,
    range: RangeInclusive<f64>,
    ticks: Vec<f64>,
    logarithmic: bool,
}

impl Axis {
    pub(crate) fn linear(label: &'static str, range: RangeInclusive<f64>, ticks: &[f64]) -> Self {
        Self { label, range, ticks: ticks.to_vec(), logarithmic: false }
    }

    /// A logarithmic axis with a tick at each power of ten.
    pub(crate) fn logarithmic(label: &'static str, range: RangeInclusive<f64>) -> Self {
        let (low, high) = (range.start().log10().ceil() as i32, range.end().log10().floor() as i32);
        Self { label, range, ticks: (low..=high).map(|power| 10_f64.powi(power)).collect(), logarithmic: true }
    }

    /// Position of a value on the axis, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.log10() } else { value };
        let (low, high) = (scale(*self.range.start()), scale(*self.range.end()));
        // Zero has no logarithm, and is drawn on the axis.
        ((scale(value.max(*self.range.start())) - low) / (high - low)).clamp(0.0, 1.0)
    }
}

impl Chart {
    /// Writes `benches/pictures/NAME.svg`.
    pub(crate) fn save(&self, name: &str) -> io::Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pictures");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name).with_extension("svg"), self.svg())
    }

    fn svg(&self) -> String {
        let x = |value: f64| LEFT + self.x.share(value) * (RIGHT - LEFT);
        let y = |value: f64| BOTTOM - self.y.share(value) * (BOTTOM - TOP);
        let mut svg = String::new();
        let mut put = |element: &dyn Display| svg.push_str(&format!("{element}\n"));
        put(&format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            self.title
        ));
        put(&STYLE);
        put(&format_args!(r#"<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>"#));
        put(&text(LEFT, 30.0, "title", self.title));
        put(&text(LEFT, 50.0, "note", self.subtitle));
        for (span, meaning) in &self.bands {
            let (from, to) = (x(*span.start()), x(*span.end()));
            let (width, height) = (to - from, BOTTOM - TOP);
            put(&format_args!(r#"<rect class="band" x="{from:.1}" y="{TOP}" width="{width:.1}" height="{height}"/>"#));
            put(&text(from + 4.0, TOP + 14.0, "note", meaning));
        }
        for &tick in &self.y.ticks {
            let at = y(tick);
            put(&format_args!(r#"<path class="grid" d="M{LEFT} {at:.1}H{RIGHT}"/>"#));
            put(&text(LEFT - 8.0, at + 4.0, "tick end", tick));
        }
        for &tick in &self.x.ticks {
            put(&format_args!(r#"<path class="grid" d="M{0:.1} {BOTTOM}v5"/>"#, x(tick)));
            put(&text(x(tick), BOTTOM + 20.0, "tick middle", tick));
        }
        put(&format_args!(r#"<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>"#));
        put(&text((LEFT + RIGHT) / 2.0, BOTTOM + 42.0, "label middle", self.x.label));
        let middle = (TOP + BOTTOM) / 2.0;
        put(&format_args!(
            r#"<text class="label middle" transform="translate(20 {middle}) rotate(-90)">{}</text>"#,
            self.y.label
        ));
        for series in &self.series {
            let points: Vec<_> =
                series.points.iter().map(|&(at, value)| format!("{:.1} {:.1}", x(at), y(value))).collect();
            put(&format_args!(r#"<path class="line {}" d="M{}"/>"#, series.colour.class(), points.join("L")));
        }
        let mut from = LEFT;
        for series in self.series.iter().rev() {
            put(&format_args!(r#"<path class="line key {}" d="M{from} 72h22"/>"#, series.colour.class()));
            put(&text(from + 28.0, 76.0, "label", series.name));
            from += 60.0 + 6.6 * series.name.len() as f64;
        }
        put(&"</svg>");
        svg
    }
}

fn text(x: f64, y: f64, class: &str, what: impl Display) -> String {
    format!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{what}</text>"#)
}

const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 820.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 346.0;

const STYLE: &str = "<style>
text { font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; font-size: 12px; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.note, .tick { fill: #59636e }
.middle { text-anchor: middle }
.end { text-anchor: end }
.ground { fill: #ffffff }
.band { fill: #818b98; fill-opacity: .16 }
.axis { fill: none; stroke: #59636e }
.grid { fill: none; stroke: #818b98; stroke-opacity: .35 }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
.key { stroke-width: 4 }
.a { stroke: #0a7d4f } .b { stroke: #8250df } .c { stroke: #cf4b1d }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.note, .tick { fill: #9da7b3 }
.ground { fill: #0d1117 }
.axis { stroke: #9da7b3 }
.a { stroke: #3fd28b } .b { stroke: #b58cff } .c { stroke: #ff8c5a }
}
</style>";
