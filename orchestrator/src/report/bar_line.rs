//! A line with a bar at the foot of the terminal, which is drawn again and again until it is erased. Knows
//! nothing of what it shows, and prints nothing permanent.
//!
//! The line is computed for the width of the terminal; indicatif draws and erases it. indicatif is set
//! up at the first draw, because most commands end before it.

use crate::report::screen::{self, Screen};
use crate::report::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write as _;
use tender_units::Micros;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What takes less time shows no bar, which would only flicker.
const FIRST_DRAW_US: Micros = Micros::from_millis(500);
/// Ten draws a second, as cargo does: more take time and cannot be read.
const BETWEEN_DRAWS_US: Micros = Micros::from_millis(100);
/// Columns between the brackets.
const BAR_COLUMNS: usize = 26;
/// Below this width the line has no bar, only text.
const WIDTH_FOR_PICTURE: usize = 70;
/// Below this width the line has no verb either.
const WIDTH_FOR_VERB: usize = 24;

pub struct BarLine {
    place: Place,
    drawn: Option<ProgressBar>,
    last_draw_us: Option<Micros>,
}

/// Where the bar is drawn.
pub struct Place {
    /// Creates a new target, because indicatif does not draw a bar again that was erased.
    pub target: Box<dyn Fn() -> ProgressDrawTarget>,
    /// The present number of columns; a terminal can be resized.
    pub width: Box<dyn Fn() -> usize>,
    pub colour: bool,
}

impl Place {
    /// The terminal on standard error.
    pub fn stderr(colour: bool) -> Self {
        Self {
            target: Box::new(|| {
                ProgressDrawTarget::term_like_with_hz(Box::new(Screen::default()), 20)
            }),
            width: Box::new(|| usize::from(screen::columns())),
            colour,
        }
    }
}

impl BarLine {
    pub fn new(place: Place) -> Self {
        Self { place, drawn: None, last_draw_us: None }
    }

    /// Draws if that is due. Times are CLOCK_MONOTONIC: when it began, and now. `done`: of how many.
    /// `text`: what fits into so many columns.
    pub fn tick(
        &mut self,
        (start_us, now_us): (Micros, Micros),
        verb: &str,
        done: (u64, u64),
        text: impl FnOnce(usize) -> String,
    ) {
        let due = match self.last_draw_us {
            None => start_us + FIRST_DRAW_US,
            Some(last) => last + BETWEEN_DRAWS_US,
        };
        if now_us >= due {
            self.last_draw_us = Some(now_us);
            self.draw(verb, done, text);
        }
    }

    /// Erases the bar; the next due tick draws it again.
    pub fn clear(&mut self) {
        if let Some(bar) = self.drawn.take() {
            bar.finish_and_clear();
        }
    }

    fn draw(&mut self, verb: &str, (done, total): (u64, u64), text: impl FnOnce(usize) -> String) {
        let width = (self.place.width)();
        let picture = width >= WIDTH_FOR_PICTURE;
        // Verb, space, brackets, space; the last column stays free, because some terminals wrap
        // when it is filled.
        let taken = match (picture, width >= WIDTH_FOR_VERB) {
            (true, _) => 13 + BAR_COLUMNS + 3 + 1,
            (false, true) => 13 + 1,
            (false, false) => 1,
        };
        let text = text(width.saturating_sub(taken));
        let verb = match self.place.colour {
            true => style::bar_verb(verb),
            false => format!("{verb:>12}"),
        };
        let template = match (picture, width >= WIDTH_FOR_VERB) {
            (true, _) => format!("{{verb}} [{{bar:{BAR_COLUMNS}}}] {{text}}"),
            (false, true) => "{verb} {text}".to_owned(),
            (false, false) => "{text}".to_owned(),
        };
        // Keys instead of a message, because setting a message draws at once, and one update should
        // be one draw.
        let style = ProgressStyle::with_template(&template)
            .expect("the template is ours")
            .progress_chars("=> ")
            .with_key("verb", move |_: &ProgressState, w: &mut dyn std::fmt::Write| {
                _ = w.write_str(&verb)
            })
            .with_key("text", move |_: &ProgressState, w: &mut dyn std::fmt::Write| {
                _ = w.write_str(&text)
            });
        let bar = self
            .drawn
            .get_or_insert_with(|| ProgressBar::with_draw_target(None, (self.place.target)()));
        bar.set_style(style);
        bar.update(|state| {
            state.set_len(total);
            state.set_pos(done);
        });
    }
}

impl Drop for BarLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A line that never grows beyond its columns.
pub struct Fitted {
    pub text: String,
    columns: usize,
}

impl Fitted {
    pub fn new(columns: usize) -> Self {
        Self { text: String::new(), columns }
    }

    /// Appends `part` if it fits with room for a `...` after it. If the line is empty, appends as
    /// much as fits. Returns whether all of it was appended.
    pub fn push(&mut self, part: &str) -> bool {
        let used = self.text.width();
        if used + part.width() <= self.columns.saturating_sub(3)
            || part == "..." && used + 3 <= self.columns
        {
            self.text.push_str(part);
            return true;
        }
        if self.text.is_empty() {
            let mut left = self.columns;
            for c in part.chars() {
                let width = c.width().unwrap_or(0);
                if width > left {
                    break;
                }
                left -= width;
                let _ = self.text.write_char(c);
            }
        }
        false
    }
}
