//! C++20 named modules: which of them a unit provides and requires, and the module file of an
//! interface. Which unit gets which module files is decided by the orchestrator.

use super::inputs::HashCache;
use super::unit::{Observer, Unit, UnitListener, UnitResult};
use crate::llvm::{Buffer, Clang, Reported};
use tender_protocol::{Lto, ModuleScan, PhaseName};

impl Unit<'_> {
    /// Finds out what the unit provides and requires, by preprocessing it.
    pub fn scan(&self, cache: &HashCache, observer: &dyn Observer) -> UnitResult<ModuleScan> {
        self.listened(cache, observer, |listener| self.open(listener)?.scan())
    }

    /// Makes the module file of the unit.
    pub fn interface(&self, cache: &HashCache, observer: &dyn Observer) -> UnitResult<Buffer> {
        self.listened(cache, observer, |listener| {
            let mut clang = self.open(listener)?;
            self.precompiled(&mut clang, listener);
            clang.interface()
        })
    }

    fn open<'l>(&self, listener: &'l UnitListener<'_>) -> Result<Clang<'l>, Reported> {
        listener.observer.enter(PhaseName::Translate);
        let args = self.driver_args(self.language, "-c");
        Clang::open(self.request(&args), Lto::Off, listener)
    }
}
