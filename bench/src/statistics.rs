//! Order statistics, and confidence intervals of mean ratios. No I/O, no units.

/// The median and its quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub min: f64,
    pub lower: f64,
    pub median: f64,
    pub upper: f64,
    pub max: f64,
}

impl Summary {
    /// Quartiles are interpolated between neighbours. `values` must not be empty.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share| at(&sorted, share);
        Self { min: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1.0) }
    }
}

/// The median, the 95th percentile and the maximum of many values, in their unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    pub count: usize,
    pub median: f64,
    pub p95: f64,
    pub max: f64,
}

impl Tail {
    /// The 95th percentile is interpolated as quartiles are. `None` without values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let max = *sorted.last()?;
        Some(Self { count: sorted.len(), median: at(&sorted, 0.5), p95: at(&sorted, 0.95), max })
    }
}

/// A quantile of sorted values, interpolated between neighbours. There must be a value.
fn at(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The geometric mean of ratios with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub mean: f64,
    pub high: f64,
}

impl Interval {
    /// Uses Student's t over the logarithms, so that a ratio and its inverse are equally far from
    /// 1. `None` for fewer than two ratios. Ratios must be above 0.
    pub fn of(ratios: impl IntoIterator<Item = f64>) -> Option<Self> {
        let logarithms: Vec<f64> = ratios.into_iter().map(f64::ln).collect();
        let count = logarithms.len();
        if count < 2 {
            return None;
        }
        let mean = logarithms.iter().sum::<f64>() / count as f64;
        let squares: f64 = logarithms.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1) as f64 / count as f64).sqrt();
        let reach = student(count - 1) * error;
        Some(Self { low: (mean - reach).exp(), mean: mean.exp(), high: (mean + reach).exp() })
    }
}

/// The 97.5 % quantile of Student's t with this many degrees of freedom, from 1. Above 30, the
/// value for 30 is used, which makes intervals at most 4 % wider.
fn student(degrees: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    QUANTILES[degrees.min(QUANTILES.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_interpolate_quartiles() {
        let check = |values: &[f64], expect: [f64; 5]| {
            let Summary { min, lower, median, upper, max } = Summary::of(values.iter().copied());
            assert_eq!([min, lower, median, upper, max], expect);
        };
        check(&[3.0], [3.0, 3.0, 3.0, 3.0, 3.0]);
        check(&[2.0, 1.0], [1.0, 1.25, 1.5, 1.75, 2.0]);
        check(&[5.0, 1.0, 4.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn statistics_tail_of_many_values() {
        let check = |values: &[f64], expect: Option<(usize, f64, f64, f64)>| {
            let tail = Tail::of(values.iter().copied());
            assert_eq!(
                tail.map(|Tail { count, median, p95, max }| (count, median, p95, max)),
                expect
            );
        };
        check(&[], None);
        check(&[2.0], Some((1, 2.0, 2.0, 2.0)));
        let hundred: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        check(&hundred, Some((101, 50.0, 95.0, 100.0)));
    }

    #[test]
    fn statistics_interval_follows_students_t() {
        let check = |ratios: &[f64], expect: [f64; 3]| {
            let Interval { low, mean, high } = Interval::of(ratios.iter().copied()).unwrap();
            for (is, expect) in [low, mean, high].into_iter().zip(expect) {
                assert!((is / expect - 1.0).abs() < 1e-4, "{ratios:?}: {is} is not {expect}");
            }
        };
        check(&[1.1, 1.1, 1.1], [1.1, 1.1, 1.1]);
        // Logarithms ln 2 and -ln 2: mean 0, standard error ln 2, 12.706 * ln 2 either side.
        check(&[2.0, 0.5], [1.49656e-4, 1.0, 6681.96]);
        // Logarithms -0.01, 0, 0.01: standard error 0.01 / sqrt 3, 4.303 of them either side.
        check(&[0.990050, 1.0, 1.010050], [0.975463, 1.0, 1.025154]);
        assert_eq!(Interval::of([1.0]), None);
        assert_eq!(Interval::of([]), None);
    }

    #[test]
    fn statistics_student_t_is_constant_above_thirty_degrees() {
        assert_eq!([1, 20, 30, 31, 1000].map(student), [12.706, 2.086, 2.042, 2.042, 2.042]);
    }
}
