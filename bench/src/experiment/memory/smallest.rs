//! Finds the smallest sufficient number by bisection. Pure.

use std::error::Error;

/// The smallest multiple of `step` for which `enough` is true. It is known to be false up to
/// `fails` and is probably true at `hint`; if not, larger numbers are tried. Each number is tried
/// at most once.
///
/// # Errors
/// Those of `enough`, or no number up to four times `hint` is sufficient.
pub fn smallest(
    fails: u64,
    hint: u64,
    step: u64,
    mut enough: impl FnMut(u64) -> Result<bool, Box<dyn Error>>,
) -> Result<u64, Box<dyn Error>> {
    // From here on in steps.
    let mut low = fails / step;
    let mut high = hint.div_ceil(step).max(low + 1);
    let most = high * 4;
    let mut is_sure = false;
    loop {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if enough(middle * step)? {
                (high, is_sure) = (middle, true);
            } else {
                low = middle;
            }
        }
        // The hint was not tried.
        if is_sure || enough(high * step)? {
            return Ok(high * step);
        }
        if high >= most {
            return Err(format!("{} is not enough either", high * step).into());
        }
        (low, high) = (high, high + (high / 8).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_finds_the_first_sufficient_step() {
        let check = |fails, hint, needed: u64, expect: u64, most_asked: usize| {
            let mut asked = Vec::new();
            let found = smallest(fails, hint, 32, |at| {
                asked.push(at);
                Ok(at >= needed)
            });
            assert_eq!(found.unwrap(), expect, "{asked:?}");
            assert!(asked.len() <= most_asked, "{asked:?}");
            let mut once = asked.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), asked.len(), "{asked:?}");
        };
        check(0, 1200, 450, 480, 6);
        check(340, 1200, 450, 480, 5);
        check(0, 1200, 1, 32, 6);
        // Only the hint is sufficient, or not even the hint.
        check(0, 1200, 1200, 1216, 7);
        check(0, 1200, 1250, 1280, 10);
        check(64, 0, 90, 96, 1);
    }

    #[test]
    fn smallest_gives_up() {
        assert!(smallest(0, 100, 10, |_| Ok(false)).is_err());
        assert!(smallest(0, 100, 10, |_| Err("broken".into())).is_err());
    }
}
