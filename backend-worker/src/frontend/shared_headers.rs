//! Compiles units with headers that were parsed once for several of them. `sharing` decides which, and
//! for which units.

use super::inputs::HashCache;
use super::unit::{BeginOptions, BegunUnit, LiveModule, Observer, Unit, UnitListener, UnitResult};
use crate::llvm::{Clang, Context, Listener, Module, Reported, Scan, SharedHeaders};
use crate::sharing::{self, Group, Tokens, Unfit};
use std::cell::Cell;
use tender_protocol::{Diagnostic, FileStamp, FileTime, Lto, PhaseName};

/// Why a unit did not use shared headers.
#[derive(Clone, Debug, PartialEq)]
pub enum Alone {
    /// There are none for units like this one.
    None,
    /// The unit has errors, or clang warns about it or about the headers.
    Diagnostic,
    Unfit(Unfit),
}

impl Unit<'_> {
    /// Preprocesses the unit and records its tokens. None if there is anything to say about it.
    pub fn tokens(&self, cache: &HashCache, observer: &dyn Observer) -> UnitResult<Option<Tokens>> {
        self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            let quiet = Quiet::new(listener);
            Ok(self.scan_tokens(&quiet).map(|mut scan| std::mem::take(&mut scan.tokens)))
        })
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
            let quiet = Quiet::new(listener);
            let args = self.driver_args(self.language, "-c");
            let unit = Unit { source: &group.source, ..*self };
            let headers =
                Clang::open(unit.request(&args), Lto::Off, &quiet).and_then(|mut clang| {
                    clang.assume_text(&group.text);
                    clang.share_headers()
                });
            let headers = headers
                .ok()
                .filter(|made| quiet.has_said_nothing() && sharing::is_sound(&made.tokens));
            Ok(headers)
        })
    }

    /// As `begin`, for a unit of C++ whose module is put in an order that depends on the unit alone.
    /// Uses the headers that save most of those that fit. Tells why it used none.
    pub fn begin_in_order(
        &self,
        plan: BeginOptions<'_>,
        headers: &[&SharedHeaders],
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> (UnitResult<BegunUnit>, Option<Alone>) {
        let mut alone = None;
        let result = self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            let context = Context::create();
            let quiet = Quiet::new(listener);
            match self.translate_shared(&context, headers, &quiet) {
                Ok((clang, module)) => {
                    quiet.speak();
                    let live = LiveModule::new(listener.observer);
                    return self.translated(clang, module, live, plan, listener);
                }
                Err(why) => alone = Some(why),
            }
            // Types of one module are known to the next one in the same context by their names.
            let context = Context::create();
            let args = self.driver_args(self.language, "-c");
            let mut clang = Clang::open(self.request(&args), self.lto, listener)?;
            let (module, _) = clang.translate_in_order(&context, None)?;
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
        headers: &[&SharedHeaders],
        quiet: &'l Quiet<'_>,
    ) -> Result<(Clang<'l>, Module<'c>), Alone> {
        if headers.is_empty() {
            return Err(Alone::None);
        }
        let scan = self.scan_tokens(quiet).ok_or(Alone::Diagnostic)?;
        let mut why = Alone::None;
        let mut best: Option<&SharedHeaders> = None;
        for headers in headers {
            match sharing::fit(&scan.tokens, &headers.tokens) {
                Ok(()) if best.is_none_or(|best| best.tokens.count() < headers.tokens.count()) => {
                    best = Some(headers);
                }
                Ok(()) => {}
                Err(unfit) => why = Alone::Unfit(unfit),
            }
        }
        let headers = best.ok_or(why)?;
        let args = self.driver_args(self.language, "-c");
        let (clang, module, rest) = Clang::open(self.request(&args), self.lto, quiet)
            .and_then(|mut clang| {
                let (module, rest) = clang.translate_in_order(context, Some((&scan, headers)))?;
                Ok((clang, module, rest))
            })
            .map_err(|Reported| Alone::Diagnostic)?;
        if !quiet.has_said_nothing() {
            return Err(Alone::Diagnostic);
        }
        sharing::check(&scan.tokens, &headers.tokens, &rest).map_err(Alone::Unfit)?;
        Ok((clang, module))
    }

    fn scan_tokens(&self, quiet: &Quiet<'_>) -> Option<Scan> {
        let args = self.driver_args(self.language, "-c");
        let scan = Clang::open(self.request(&args), Lto::Off, quiet)
            .and_then(|mut clang| clang.scan_tokens());
        scan.ok().filter(|_| quiet.has_said_nothing())
    }
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
