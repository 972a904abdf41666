//! Amounts of memory and times. Both are whole numbers and meet in the same functions, so each has a
//! type, and the compiler finds the two confused. Serialised, both are plain numbers. Knows neither
//! what uses memory nor what takes time.

mod bytes;
mod micros;

pub use bytes::{Bytes, ParseBytesError};
pub use micros::Micros;

/// What an amount can do: it is added to, compared with and subtracted from its own kind, and scaled
/// by a plain number. Overflow is a panic with `debug-assertions`, as for `u64`.
macro_rules! arithmetic {
    ($Amount:ident) => {
        impl $Amount {
            pub const ZERO: $Amount = $Amount(0);
            /// Where an amount is a limit: no limit.
            pub const MAX: $Amount = $Amount(u64::MAX);

            #[must_use]
            pub const fn saturating_add(self, other: $Amount) -> $Amount {
                $Amount(self.0.saturating_add(other.0))
            }

            /// 0 if `other` is larger.
            #[must_use]
            pub const fn saturating_sub(self, other: $Amount) -> $Amount {
                $Amount(self.0.saturating_sub(other.0))
            }

            #[must_use]
            pub const fn saturating_mul(self, factor: u64) -> $Amount {
                $Amount(self.0.saturating_mul(factor))
            }
        }

        impl std::ops::Add for $Amount {
            type Output = $Amount;
            fn add(self, other: $Amount) -> $Amount {
                $Amount(self.0 + other.0)
            }
        }

        impl std::ops::AddAssign for $Amount {
            fn add_assign(&mut self, other: $Amount) {
                self.0 += other.0;
            }
        }

        impl std::ops::Sub for $Amount {
            type Output = $Amount;
            fn sub(self, other: $Amount) -> $Amount {
                $Amount(self.0 - other.0)
            }
        }

        impl std::ops::SubAssign for $Amount {
            fn sub_assign(&mut self, other: $Amount) {
                self.0 -= other.0;
            }
        }

        impl std::ops::Mul<u64> for $Amount {
            type Output = $Amount;
            fn mul(self, factor: u64) -> $Amount {
                $Amount(self.0 * factor)
            }
        }

        impl std::ops::Div<u64> for $Amount {
            type Output = $Amount;
            fn div(self, divisor: u64) -> $Amount {
                $Amount(self.0 / divisor)
            }
        }

        impl std::iter::Sum for $Amount {
            fn sum<I: Iterator<Item = $Amount>>(amounts: I) -> $Amount {
                $Amount(amounts.map(|amount| amount.0).sum())
            }
        }
    };
}
pub(crate) use arithmetic;
