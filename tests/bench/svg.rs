//! Line charts as SVG text: a few series over one axis. It knows nothing of what they mean.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Room for labels: left, right, top, bottom.
const ROOM: [f64; 4] = [76.0, 24.0, 40.0, 72.0];
const COLOURS: [&str; 4] = ["#2f6f9f", "#b5502b", "#4c8c4a", "#7a4f9a"];

/// A chart.
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Under the horizontal axis, which is logarithmic.
    pub x: String,
    /// Beside the vertical axis, which begins at zero.
    pub y: String,
    /// Name and points, by x.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Chart {
    /// Its SVG; nothing where no series has two points.
    pub fn svg(&self) -> Option<String> {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        self.series.iter().find(|(_, points)| points.len() > 1)?;
        let low = points().map(|point| point.0).reduce(f64::min)?.ln();
        let high = points().map(|point| point.0).reduce(f64::max)?.ln();
        let top = nice(points().map(|point| point.1).reduce(f64::max)?);
        let [left, right, above, below] = ROOM;
        let (wide, tall) = (WIDTH - left - right, HEIGHT - above - below);
        let place = |(x, y): (f64, f64)| {
            let along = (x.ln() - low) / (high - low).max(f64::MIN_POSITIVE);
            (left + along * wide, above + tall - y / top * tall)
        };
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
             <text x=\"{left}\" y=\"22\" font-size=\"14\">{}</text>\n",
            escaped(&self.title)
        );
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let y = above + tall - f64::from(step) / 4.0 * tall;
            let _ = writeln!(
                out,
                "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left + wide,
                left - 6.0,
                y + 4.0,
                short(value)
            );
        }
        let mut ticks: Vec<f64> = points().map(|point| point.0).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        for tick in ticks {
            let (x, y) = place((tick, 0.0));
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y + 16.0,
                short(tick)
            );
        }
        for (number, (name, points)) in self.series.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let placed: Vec<_> = points.iter().map(|point| place(*point)).collect();
            let path: Vec<String> = placed
                .iter()
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join(" ")
            );
            for (x, y) in placed {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
                );
            }
            let x = left + number as f64 * wide / self.series.len() as f64;
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                HEIGHT - 12.0,
                escaped(name)
            );
        }
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{left}\" y=\"{:.1}\" text-anchor=\"start\">{}</text>\n</svg>\n",
            left + wide,
            HEIGHT - 34.0,
            escaped(&self.x),
            above - 4.0,
            escaped(&self.y)
        );
        Some(out)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The next of 1, 2, 2.5, 5, 10 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.iter().find(|step| **step * power >= value);
    step.copied().unwrap_or(10.0) * power
}

/// A number as a label, to three figures.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    let places = if scaled >= 100.0 { 0 } else { 2 };
    let text = format!("{scaled:.places$}");
    let text = if places > 0 {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 6.25, 18.75, 128.0, 1024.0, 10_624.0, 100_000.0, 1e6].map(short);
        assert_eq!(
            shown,
            ["0", "6.25", "18.75", "128", "1024", "10.62k", "100k", "1M"]
        );
    }

    #[test]
    fn a_line_needs_two_points() {
        let chart = |points: &[(f64, f64)]| Chart {
            title: "a < b".to_owned(),
            x: String::new(),
            y: String::new(),
            series: vec![("one".to_owned(), points.to_vec())],
        };
        assert!(chart(&[(1.0, 1.0)]).svg().is_none());
        let svg = chart(&[(1.0, 1.0), (8.0, 3.0)]).svg().unwrap();
        assert!(svg.contains("a &lt; b") && svg.contains("<polyline"));
    }
}
