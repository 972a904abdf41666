//! What other units read in place of text: which C++20 named modules a unit provides and requires, the
//! module file of an interface, and precompiled headers. Which unit gets which of these files is
//! decided by the orchestrator.

use super::inputs::HashCache;
use super::unit::{LiveModule, Observer, Unit, UnitListener, UnitResult};
use crate::llvm::{Buffer, Clang, Context, Reported, WaitingModule};
use tender_protocol::{Lto, ModuleScan, PhaseName};

/// What is made of an interface.
pub struct ModuleFile {
    /// The module file (BMI).
    pub content: Buffer,
    pub translation: Option<WaitingModule>,
}

impl Unit<'_> {
    /// Finds out what the unit provides and requires, by preprocessing it.
    pub fn scan(&self, cache: &HashCache, observer: &dyn Observer) -> UnitResult<ModuleScan> {
        self.listened(cache, observer, |listener| self.open(listener)?.scan())
    }

    /// Makes the module file of the unit. `translates`: and its module, for `BeginOptions`.
    pub fn interface(
        &self,
        translates: bool,
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> UnitResult<ModuleFile> {
        self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            let mut clang = self.open_clang(self.lto, listener)?;
            self.precompiled(&mut clang, listener);
            if !translates {
                return Ok(ModuleFile { content: clang.interface()?, translation: None });
            }
            let context = Context::create();
            let (content, module) = clang.translate_interface(&context)?;
            let _live = LiveModule::new(listener.observer);
            Ok(ModuleFile { content, translation: Some(WaitingModule::of(&clang, module)) })
        })
    }

    /// Precompiles headers, which stand in the place of the source: names as after `#include`, those
    /// without angle brackets in quotes.
    pub fn precompile(
        &self,
        headers: &[String],
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> UnitResult<Buffer> {
        self.listened(cache, observer, |listener| {
            let line = |header: &String| match header.starts_with('<') {
                true => format!("#include {header}\n"),
                false => format!("#include \"{header}\"\n"),
            };
            let mut clang = self.open(listener)?;
            clang.assume_text(&headers.iter().map(line).collect::<String>());
            clang.precompile()
        })
    }

    fn open<'l>(&self, listener: &'l UnitListener<'_>) -> Result<Clang<'l>, Reported> {
        listener.observer.enter(PhaseName::Translate);
        self.open_clang(Lto::Off, listener)
    }
}
