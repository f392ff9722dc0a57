//! Figures as Prometheus reads them: text format 0.0.4.

use super::Histogram;
use std::fmt::{Display, Write as _};

/// The type of a family, as its `# TYPE` line has it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

type Labels<'l> = &'l [(&'l str, &'l str)];

/// A page of figures that is being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    name: &'static str,
}

impl Exposition {
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family; the samples after it are its own.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A family of one gauge.
    pub fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.sample(&[], value);
    }

    /// A family of one counter.
    pub fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help);
        self.sample(&[], value);
    }

    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let (counts, sum) = histogram.read();
        self.buckets(labels, &counts, sum);
    }

    /// A histogram that was counted elsewhere: for each bound how often it was not exceeded, the last infinite.
    pub fn buckets(&mut self, labels: Labels<'_>, counts: &[(f64, u64)], sum: f64) {
        for (bound, count) in counts {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, counts.last().map_or(0, |(_, count)| *count));
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        for (index, (label, text)) in all.enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() || bound.is_some() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub fn finish(self) -> String {
        self.text
    }
}

fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['\\', '"', '\n']) {
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_histograms_are_written() {
        let mut page = Exposition::default();
        page.family("a_total", Kind::Counter, "Of a.");
        page.sample(&[("x", "1"), ("y", "\"\\\n")], 3);
        page.family("b_seconds", Kind::Histogram, "Of b.");
        let histogram = Histogram::new(&[0.5]);
        histogram.observe(0.25, 250_000_000);
        page.histogram(&[], &histogram);
        let expected = "# HELP a_total Of a.\n# TYPE a_total counter\na_total{x=\"1\",y=\"\\\"\\\\\\n\"} 3\n\
             # HELP b_seconds Of b.\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"0.5\"} 1\n\
             b_seconds_bucket{le=\"+Inf\"} 1\nb_seconds_sum 0.25\nb_seconds_count 1\n";
        assert_eq!(page.finish(), expected);
    }
}
