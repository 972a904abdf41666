//! Order statistics of a few numbers. No I/O, no units.

/// Median with its spread.
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
        let at = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { min: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let check = |values: &[f64], expect: [f64; 5]| {
            let Summary { min, lower, median, upper, max } = Summary::of(values.iter().copied());
            assert_eq!([min, lower, median, upper, max], expect);
        };
        check(&[3.0], [3.0, 3.0, 3.0, 3.0, 3.0]);
        check(&[2.0, 1.0], [1.0, 1.25, 1.5, 1.75, 2.0]);
        check(&[5.0, 1.0, 4.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
