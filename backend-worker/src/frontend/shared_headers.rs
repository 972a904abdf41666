//! Compiles units with headers that were parsed once for several of them. `sharing` decides which, and
//! for which units.

use super::inputs::HashCache;
use super::scans::UnitScan;
use super::unit::{BeginOptions, BegunUnit, LiveModule, Observer, Unit, UnitListener, UnitResult};
use crate::llvm::{Clang, Context, Listener, Module, Reported, Scan, SharedHeaders};
use crate::sharing::{self, Group, HeaderFacts, Tokens, Unfit};
use std::cell::Cell;
use std::fmt;
use std::time::SystemTime;
use tender_protocol::{Diagnostic, FileStamp, FileTime, Lto, PhaseName};

/// Why a unit did not use shared headers.
#[derive(Clone, Debug, PartialEq)]
pub enum Alone {
    /// There are none for units like this one.
    None,
    /// The unit has errors, or clang warns about it or about the headers.
    Diagnostic,
    /// This header has changed since.
    Changed(String),
    Unfit(Unfit),
}

impl fmt::Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alone::None => write!(f, "there are none for units like this one"),
            Alone::Diagnostic => write!(f, "clang has something to say about the unit"),
            Alone::Changed(file) => write!(f, "{file} has changed since they were parsed"),
            Alone::Unfit(unfit) => write!(f, "{unfit}"),
        }
    }
}

/// The headers that a unit may use.
pub struct Offered<'a> {
    pub headers: &'a [SharedHeaders],
    /// The unit as it was when they were chosen.
    pub scan: Option<UnitScan>,
    /// Translate the unit also without them, and fail if there is a difference.
    pub verify: bool,
}

/// Chooses headers for units; see [`sharing::choose`]. One without a scan shares nothing.
pub fn choose_headers(scans: &[Option<UnitScan>]) -> Vec<Group> {
    let none = Tokens::default();
    let tokens = scans.iter().map(|unit| unit.as_ref().map_or(&none, |unit| &unit.scan.tokens));
    sharing::choose(&tokens.collect::<Vec<_>>())
}

impl Unit<'_> {
    /// Preprocesses the unit and records its tokens. None if there is anything to say about it.
    pub fn tokens(&self, cache: &HashCache, observer: &dyn Observer) -> Option<UnitScan> {
        let begun = SystemTime::now();
        let scanned = self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            let scan = self.scan_tokens(&Quiet::new(listener));
            Ok(scan.map(|scan| UnitScan { scan, found: listener.take(), begun }))
        });
        scanned.result.ok().flatten()
    }

    /// Parses the headers of a group; the unit stands for its members. None if there is anything to
    /// say about them.
    pub fn share_headers(
        &self,
        group: &Group,
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> UnitResult<Option<SharedHeaders>> {
        self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            // A template may need what only some units define: then none is instantiated here.
            let made = self.parse_shared(group, true, listener);
            let made = made.or_else(|| self.parse_shared(group, false, listener));
            Ok(made.map(|mut made| {
                made.facts.source.clone_from(&group.source);
                made.facts.text.clone_from(&group.text);
                made.facts.inputs = listener.contents();
                made
            }))
        })
    }

    fn parse_shared(
        &self,
        group: &Group,
        instantiate: bool,
        listener: &UnitListener<'_>,
    ) -> Option<SharedHeaders> {
        let quiet = Quiet::new(listener);
        let unit = Unit { source: &group.source, ..*self };
        let headers = unit.open_clang(Lto::Off, &quiet).and_then(|mut clang| {
            clang.assume_text(&group.text);
            clang.share_headers(instantiate)
        });
        let is_sound = |made: &SharedHeaders| {
            quiet.has_said_nothing() && sharing::is_sound(&made.facts.tokens)
        };
        headers.ok().filter(is_sound)
    }

    /// As `begin`, for a unit of C++ whose module is put in an order that depends on the unit alone.
    /// Uses the headers that save most of those that fit. Tells why it used none.
    pub fn begin_in_order(
        &self,
        plan: BeginOptions<'_>,
        offered: Offered<'_>,
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> (UnitResult<BegunUnit>, Option<Alone>) {
        let mut alone = None;
        let result = self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            let mut expected = None;
            if offered.headers.is_empty() {
                alone = Some(Alone::None);
            } else {
                let context = Context::create();
                let quiet = Quiet::new(listener);
                match self.translate_shared(&context, offered.headers, offered.scan, &quiet) {
                    Ok((_, module)) if offered.verify => expected = Some(text_of(&module)),
                    Ok((clang, module)) => {
                        quiet.speak();
                        let live = LiveModule::new(listener.observer);
                        return self.translated(clang, module, live, plan, listener);
                    }
                    Err(why) => alone = Some(why),
                }
            }
            let read = listener.take();
            // Not the context of the attempt: it knows types of the attempt's module by their names.
            let context = Context::create();
            let mut clang = self.open_clang(self.lto, listener)?;
            let (module, _) = clang.translate_in_order(&context, None)?;
            if let Some(expected) = expected {
                self.compare(&expected, &text_of(&module), listener)?;
                if !listener.has_read_the_same(&read) {
                    let what = "with shared headers the unit reads other files than without";
                    return Err(listener.error(self.source, what.to_owned()));
                }
            }
            let live = LiveModule::new(listener.observer);
            self.translated(clang, module, live, plan, listener)
        });
        (result, alone)
    }

    /// # Errors
    /// Why the unit cannot use any of the headers.
    fn translate_shared<'c, 'l>(
        &self,
        context: &'c Context,
        headers: &[SharedHeaders],
        scan: Option<UnitScan>,
        quiet: &'l Quiet<'_>,
    ) -> Result<(Clang<'l>, Module<'c>), Alone> {
        let kept = scan.and_then(|UnitScan { scan, found, begun }| {
            quiet.listener.look_again(found, begun).then_some(scan)
        });
        let scan = kept.or_else(|| self.scan_tokens(quiet)).ok_or(Alone::Diagnostic)?;
        let mut why = Alone::None;
        let mut best: Option<&SharedHeaders> = None;
        let count = |headers: &SharedHeaders| headers.facts.tokens.count();
        for headers in headers {
            match fit(&scan.tokens, &headers.facts, quiet.listener) {
                Ok(()) if best.is_none_or(|best| count(best) < count(headers)) => {
                    best = Some(headers);
                }
                Ok(()) => {}
                Err(unfit) => why = unfit,
            }
        }
        let headers = best.ok_or(why)?;
        let (clang, module, rest) = self
            .open_clang(self.lto, quiet)
            .and_then(|mut clang| {
                let (module, rest) = clang.translate_in_order(context, Some((&scan, headers)))?;
                Ok((clang, module, rest))
            })
            .map_err(|Reported| Alone::Diagnostic)?;
        if !quiet.has_said_nothing() {
            return Err(Alone::Diagnostic);
        }
        sharing::check(&scan.tokens, &headers.facts.tokens, &rest).map_err(Alone::Unfit)?;
        Ok((clang, module))
    }

    /// Compares the texts of two modules.
    ///
    /// # Errors
    /// They differ. The error names the first definition that does.
    fn compare(
        &self,
        shared: &str,
        alone: &str,
        listener: &UnitListener<'_>,
    ) -> Result<(), Reported> {
        if shared == alone {
            return Ok(());
        }
        let mut within = "";
        let mut lines = shared.lines().zip(alone.lines());
        let differs = lines.find(|(with, without)| {
            if without.starts_with("define ") {
                within = without;
            } else if *without == "}" {
                within = "";
            }
            with != without
        });
        let (with, without) = differs.unwrap_or(("", "the end"));
        let place = if within.is_empty() { String::new() } else { format!(" in `{within}`") };
        let what = format!(
            "the module with shared headers differs from that without{place}: `{with}`, alone `{without}`"
        );
        Err(listener.error(self.source, what))
    }

    fn scan_tokens(&self, quiet: &Quiet<'_>) -> Option<Scan> {
        let scan = self.open_clang(Lto::Off, quiet).and_then(|mut clang| clang.scan_tokens());
        scan.ok().filter(|_| quiet.has_said_nothing())
    }
}

fn text_of(module: &Module<'_>) -> String {
    module.print_to_string().to_string()
}

/// Whether a unit may try these headers.
fn fit(tokens: &Tokens, headers: &HeaderFacts, listener: &UnitListener<'_>) -> Result<(), Alone> {
    sharing::fit(tokens, &headers.tokens).map_err(Alone::Unfit)?;
    for (path, hash) in &headers.inputs {
        if listener.hash_of(path).is_none_or(|read| read.to_hex().as_str() != hash) {
            return Err(Alone::Changed(path.clone()));
        }
    }
    Ok(())
}

/// Keeps diagnostics of an attempt back, since the unit is compiled alone if there are any. What it
/// reads counts.
struct Quiet<'a> {
    listener: &'a UnitListener<'a>,
    kept_back: Cell<bool>,
    speaks: Cell<bool>,
}

impl<'a> Quiet<'a> {
    fn new(listener: &'a UnitListener<'a>) -> Quiet<'a> {
        Quiet { listener, kept_back: Cell::new(false), speaks: Cell::new(false) }
    }

    fn has_said_nothing(&self) -> bool {
        !self.kept_back.get()
    }

    /// Passes diagnostics on from now on.
    fn speak(&self) {
        self.speaks.set(true);
    }
}

impl Listener for Quiet<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        if self.speaks.get() {
            self.listener.diagnostic(diagnostic);
        } else {
            self.kept_back.set(true);
        }
    }

    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>) {
        self.listener.read(path, stamp, content);
    }

    fn missing(&self, path: &str) {
        self.listener.missing(path);
    }

    fn variable(&self, name: &str) {
        self.listener.variable(name);
    }

    fn dated(&self, file: FileTime) {
        self.listener.dated(file);
    }
}
