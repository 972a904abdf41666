//! A line plot as SVG, legible on light and dark pages. Knows nothing about the data.

use std::fmt::Write;

/// The content of a plot. Units are part of the labels.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    /// Only the first four have distinct colours and signs.
    pub series: Vec<Series>,
    /// Marked positions on the x axis, with labels.
    pub marks: Vec<(f64, String)>,
    /// The label below the values without an x.
    pub beyond_label: String,
}

#[derive(Clone, Debug, Default)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// The value without an x, which is drawn to the right of the others.
    pub beyond: Option<f64>,
    /// The x positions without a value, and their label.
    pub failures: Vec<f64>,
    pub failed: &'static str,
}

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 66.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = HEIGHT - 58.0;
/// The end of the x axis; values without an x are to the right.
const RIGHT: f64 = 700.0;
const BEYOND: f64 = 762.0;

/// Colours for light pages, then for dark ones.
const STYLE: &str = "\
.page{fill:#fff}.text{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}.mark{stroke:#59636e}
.s0{color:#0969da}.s1{color:#1a7f37}.s2{color:#bc4c00}.s3{color:#8250df}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.text{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#30363d}
.mark{stroke:#9198a1}.s0{color:#58a6ff}.s1{color:#3fb950}.s2{color:#f0883e}.s3{color:#bc8cff}}
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}.title{font-size:16px;font-weight:600}
.line{stroke:currentColor;fill:none;stroke-width:2}.sign{fill:currentColor}.cross{stroke:currentColor;stroke-width:2.5}
.word{fill:currentColor;font-size:12px}
";

impl Plot {
    /// The text of the SVG file. Values must be at least 0, and one must have an x.
    pub fn svg(&self) -> String {
        let xs = self.series.iter().flat_map(|series| {
            series.points.iter().map(|point| point.0).chain(series.failures.iter().copied())
        });
        let ys = self
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|point| point.1).chain(series.beyond));
        let x = Axis::over(xs.chain(self.marks.iter().map(|mark| mark.0)), 8.0);
        // Space for labels above the highest line.
        let y = Axis::over(ys.map(|value| value * 1.08), 6.0);
        let at_x = |value: f64| LEFT + value / x.end * (RIGHT - LEFT);
        let at_y = |value: f64| BOTTOM - value / y.end * (BOTTOM - TOP);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.draw(&mut out, &x, &y, &at_x, &at_y);
        out
    }

    fn draw(
        &self,
        out: &mut String,
        x: &Axis,
        y: &Axis,
        at_x: &dyn Fn(f64) -> f64,
        at_y: &dyn Fn(f64) -> f64,
    ) -> std::fmt::Result {
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>",
            escaped(&self.title)
        )?;
        writeln!(out, "<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>")?;
        text(out, LEFT, 26.0, "text title", "start", &self.title)?;
        for value in y.ticks() {
            let at = at_y(value);
            line(out, "grid", (LEFT, at), (RIGHT, at))?;
            text(out, LEFT - 8.0, at + 4.5, "faint", "end", &y.show(value))?;
        }
        for value in x.ticks() {
            let at = at_x(value);
            line(out, "grid", (at, BOTTOM), (at, BOTTOM + 5.0))?;
            text(out, at, BOTTOM + 20.0, "faint", "middle", &x.show(value))?;
        }
        text(out, f64::midpoint(LEFT, RIGHT), HEIGHT - 12.0, "text", "middle", &self.x_label)?;
        let middle = f64::midpoint(TOP, BOTTOM);
        writeln!(
            out,
            "<text class=\"text\" text-anchor=\"middle\" transform=\"translate(18 {middle}) rotate(-90)\">{}</text>",
            escaped(&self.y_label)
        )?;
        for (value, word) in &self.marks {
            let at = at_x(*value);
            writeln!(
                out,
                "<path class=\"mark\" stroke-dasharray=\"2 4\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/>"
            )?;
            text(out, at + 5.0, BOTTOM - 8.0, "faint", "start", word)?;
        }
        if self.series.iter().any(|series| series.beyond.is_some()) {
            text(out, BEYOND, BOTTOM + 20.0, "faint", "middle", &self.beyond_label)?;
        }
        let mut left = LEFT;
        for (number, series) in self.series.iter().enumerate() {
            writeln!(out, "<g class=\"s{}\">", number % 4)?;
            line(out, "line", (left, 48.0), (left + 26.0, 48.0))?;
            sign(out, number, (left + 13.0, 48.0))?;
            text(out, left + 32.0, 52.5, "text", "start", &series.name)?;
            // An estimate of the width of letters.
            left += 62.0 + 6.7 * series.name.chars().count() as f64;
            series.draw(out, number, at_x, at_y)?;
            writeln!(out, "</g>")?;
        }
        writeln!(out, "</svg>")
    }
}

impl Series {
    fn draw(
        &self,
        out: &mut String,
        number: usize,
        at_x: &dyn Fn(f64) -> f64,
        at_y: &dyn Fn(f64) -> f64,
    ) -> std::fmt::Result {
        let mut points = self.points.clone();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let places: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (at_x(x), at_y(y))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if !path.is_empty() {
            writeln!(out, "<path class=\"line\" d=\"M{}\"/>", path.join("L"))?;
        }
        if let Some(value) = self.beyond {
            let end = (BEYOND, at_y(value));
            if let Some(last) = places.last() {
                dotted(out, *last, end)?;
            }
            sign(out, number, end)?;
        }
        for place in &places {
            sign(out, number, *place)?;
        }
        for &failure in &self.failures {
            // At the height of the next value, to which a line leads.
            let near = points.iter().position(|point| point.0 > failure);
            let height = near.map_or(f64::midpoint(TOP, BOTTOM), |near| places[near].1);
            let (x, y) = (at_x(failure), height);
            if let Some(near) = near {
                dotted(out, (x, y), places[near])?;
            }
            writeln!(
                out,
                "<path class=\"cross\" d=\"M{:.1} {:.1}l10 10m0-10l-10 10\"/>",
                x - 5.0,
                y - 5.0
            )?;
            // Labels of lines with the same end are placed above and below.
            let word = if number.is_multiple_of(2) { y - 11.0 } else { y + 21.0 };
            text(out, x, word, "word", "middle", self.failed)?;
        }
        Ok(())
    }
}

/// From 0 to `end`, with a tick at each `step`.
#[derive(Debug, PartialEq)]
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    /// An axis for all values, with about `ticks` ticks at round numbers.
    fn over(values: impl Iterator<Item = f64>, ticks: f64) -> Self {
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let power = 10_f64.powf((most / ticks).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|times| times * power);
        let step = step.into_iter().find(|step| most / step <= ticks).unwrap_or(10.0 * power);
        Self { end: (most / step).ceil() * step, step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let step = self.step;
        (0..=(self.end / step).round() as u32).map(move |tick| f64::from(tick) * step)
    }

    fn show(&self, value: f64) -> String {
        let decimals =
            usize::from(self.step.fract() != 0.0) + usize::from((self.step * 10.0).fract() != 0.0);
        format!("{value:.decimals$}")
    }
}

fn line(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) -> std::fmt::Result {
    writeln!(
        out,
        "<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
        from.0, from.1, to.0, to.1
    )
}

fn dotted(out: &mut String, from: (f64, f64), to: (f64, f64)) -> std::fmt::Result {
    let (from, to) = (format!("{:.1} {:.1}", from.0, from.1), format!("{:.1} {:.1}", to.0, to.1));
    writeln!(out, "<path class=\"line\" stroke-dasharray=\"2 5\" d=\"M{from}L{to}\"/>")
}

fn text(
    out: &mut String,
    x: f64,
    y: f64,
    class: &str,
    anchor: &str,
    words: &str,
) -> std::fmt::Result {
    let words = escaped(words);
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    )
}

/// A different shape for each line, for readers who cannot distinguish the colours.
fn sign(out: &mut String, number: usize, (x, y): (f64, f64)) -> std::fmt::Result {
    let shape = match number % 4 {
        0 => format!("M{:.1} {y:.1}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0", x - 4.5),
        1 => format!("M{x:.1} {:.1}l5.5 5.5-5.5 5.5-5.5-5.5z", y - 5.5),
        2 => format!("M{:.1} {:.1}h8v8h-8z", x - 4.0, y - 4.0),
        _ => format!("M{x:.1} {:.1}l5.5 9.5h-11z", y - 6.0),
    };
    writeln!(out, "<path class=\"sign\" d=\"{shape}\"/>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plot_axes_end_at_round_numbers() {
        let check = |most: f64, ticks: f64, expect: (f64, f64), shown: &str| {
            let axis = Axis::over([0.0, most].into_iter(), ticks);
            assert_eq!((axis.end, axis.step), expect, "{most}");
            assert_eq!(axis.ticks().last().map(|tick| axis.show(tick)).as_deref(), Some(shown));
        };
        check(1216.0, 8.0, (1400.0, 200.0), "1400");
        check(90.0, 6.0, (100.0, 20.0), "100");
        check(6.0, 6.0, (6.0, 1.0), "6");
        check(1.3, 6.0, (1.5, 0.25), "1.50");
        check(2.5, 6.0, (2.5, 0.5), "2.5");
    }

    #[test]
    fn plot_draws_lines_gaps_and_failures() {
        let plot = Plot {
            title: "A < B".into(),
            series: vec![Series {
                name: "a".into(),
                points: vec![(200.0, 5.0), (100.0, 10.0)],
                beyond: Some(5.0),
                failures: vec![50.0],
                failed: "killed",
            }],
            marks: vec![(75.0, "need".into())],
            beyond_label: "no limit".into(),
            ..Plot::default()
        };
        let svg = plot.svg();
        assert!(svg.contains("<title>A &lt; B</title>"), "{svg}");
        // Points are sorted by x.
        let (low, high) = (LEFT + 0.5 * (RIGHT - LEFT), RIGHT);
        assert!(
            svg.contains(&format!("d=\"M{low:.1} ")) && svg.contains(&format!("L{high:.1} ")),
            "{svg}"
        );
        for word in ["killed", "need", "no limit"] {
            assert!(svg.contains(&format!(">{word}</text>")), "{word}: {svg}");
        }
        // The failure is at the height of the value beside it.
        let quarter = LEFT + 0.25 * (RIGHT - LEFT);
        let level = svg.lines().find(|line| {
            line.contains("stroke-dasharray=\"2 5\"") && line.contains(&format!("M{quarter:.1}"))
        });
        assert!(level.is_some(), "{svg}");
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }
}
