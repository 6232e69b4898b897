//! What was measured: a table for people, JSON for programs, and a chart.

use std::fmt::Write as _;
use std::path::Path;

use crate::rows::Unit;

/// One row's figures: for each contestant the cost in each round.
pub(crate) struct Figures {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) costs: Vec<(&'static str, Vec<f64>)>,
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| sorted[sorted.len() / 2])
}

/// Distance of the quartiles, as a share of the median.
fn spread(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    (at(0.75) - at(0.25)) / at(0.5)
}

impl Figures {
    fn costs_of(&self, name: &str) -> &[f64] {
        self.costs.iter().find(|(other, _)| *other == name).map_or(&[], |(_, costs)| costs)
    }

    /// Median over the rounds of how fast `name` is, with `base` for 1.
    pub(crate) fn speed(&self, name: &str, base: &str) -> Option<f64> {
        let pairs = self.costs_of(name).iter().zip(self.costs_of(base));
        median(&pairs.map(|(cost, base)| base / cost).collect::<Vec<_>>())
    }

    fn line(&self, names: &[&'static str]) -> String {
        let base = names[0];
        let mut line = format!("{:<34}", self.name);
        for name in names {
            let cell = match (median(self.costs_of(name)), self.speed(name, base)) {
                (Some(cost), _) if *name == base => self.unit.show(cost),
                (Some(_), Some(speed)) => format!("{speed:.2}"),
                _ => "-".into(),
            };
            let _ = write!(line, " {cell:>14}");
        }
        let ours = self.costs_of("bough");
        if !ours.is_empty() {
            let _ = write!(line, " {:>5.0} %", spread(ours) * 100.0);
        }
        line
    }
}

/// The speed of each, with the first for 1; the first's own figures in full; the spread of ours.
pub(crate) fn table(figures: &[Figures], names: &[&'static str]) -> String {
    let mut text = String::new();
    let mut group = "";
    for row in figures {
        if row.group != group {
            group = row.group;
            let heads: String = names.iter().map(|name| format!(" {name:>14}")).collect();
            let _ = write!(text, "\n{group:<34}{heads} spread\n");
        }
        let _ = writeln!(text, "{}", row.line(names));
    }
    text
}

/// Everything, in nanoseconds per operation, MiB or job, round by round.
pub(crate) fn json(figures: &[Figures]) -> serde_json::Value {
    let row = |row: &Figures| {
        let costs: serde_json::Map<String, serde_json::Value> =
            row.costs.iter().map(|(name, costs)| ((*name).to_owned(), serde_json::json!(costs))).collect();
        serde_json::json!({ "group": row.group, "row": row.name, "nanoseconds": costs })
    };
    serde_json::json!({ "rows": figures.iter().map(row).collect::<Vec<_>>() })
}

const BAR: f64 = 14.0;
const LEFT: f64 = 230.0;
const WIDE: f64 = 520.0;
const COLOURS: &[&str] =
    &["#2f6f4f", "#c07a2b", "#9aa5b1", "#6b7fa8", "#b5543c", "#7d5ba6", "#4a9c9c", "#8a8a3a", "#555555"];

/// Bars: how fast each of `names` is with the base for 1, on a logarithmic scale from 1/100 to 2.
fn chart(figures: &[&Figures], names: &[&'static str], base: &str) -> String {
    let place = |speed: f64| ((speed.clamp(0.01, 2.0) / 0.01).log10() / 200_f64.log10()) * WIDE;
    let height = figures.len() as f64 * (names.len() as f64 * BAR + 10.0) + 50.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"11\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDE + 80.0
    );
    for (at, label) in [(0.01, "1/100"), (0.1, "1/10"), (0.5, "1/2"), (1.0, base)] {
        let x = LEFT + place(at);
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"30\" x2=\"{x}\" y2=\"{height}\" stroke=\"#ddd\"/><text x=\"{x}\" y=\"22\" \
             text-anchor=\"middle\">{label}</text>"
        );
    }
    let mut y = 36.0;
    for row in figures {
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, y + BAR, row.name);
        for (index, name) in names.iter().enumerate() {
            if let Some(speed) = row.speed(name, base) {
                let colour = COLOURS[index % COLOURS.len()];
                let _ = writeln!(
                    svg,
                    "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{:.1}\" \
                     y=\"{}\">{name} {speed:.2}</text>",
                    place(speed),
                    BAR - 3.0,
                    LEFT + place(speed) + 4.0,
                    y + BAR - 4.0
                );
            }
            y += BAR;
        }
        y += 10.0;
    }
    svg.push_str("</svg>\n");
    svg
}

/// A chart for each group, into `folder`.
pub(crate) fn charts(folder: &Path, figures: &[Figures], names: &[&'static str]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut groups: Vec<&str> = figures.iter().map(|row| row.group).collect();
    groups.dedup();
    for group in groups {
        let rows: Vec<&Figures> = figures.iter().filter(|row| row.group == group).collect();
        let name: String = group.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        std::fs::write(folder.join(format!("{name}.svg")), chart(&rows, &names[1..], names[0]))?;
    }
    Ok(())
}
