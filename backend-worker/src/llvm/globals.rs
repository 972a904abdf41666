//! What a module defines: values of its variables, and what other objects see of it.

use inkwell::module::{Linkage, Module};
use inkwell::values::GlobalValue;
use std::collections::HashMap;

/// The initial values of a module's variables that have integers, by name.
pub fn integers(module: &Module<'_>) -> HashMap<String, u64> {
    let value = |global: GlobalValue<'_>| {
        let name = global.get_name().to_str().ok()?.to_owned();
        let initial = global.get_initializer()?;
        if !initial.is_int_value() {
            return None;
        }
        Some((name, initial.into_int_value().get_zero_extended_constant()?))
    };
    module.get_globals().filter_map(value).collect()
}

/// Makes all that a program defines local, and renames its `main`.
pub fn hide_program(module: &Module<'_>, main: &str) {
    for function in module.get_functions() {
        if function.count_basic_blocks() == 0 || function.get_linkage() != Linkage::External {
            continue;
        }
        match function.get_name().to_str() {
            Ok("main") => function.as_global_value().set_name(main),
            _ => function.set_linkage(Linkage::Internal),
        }
    }
    for global in module.get_globals() {
        if global.get_initializer().is_some() && global.get_linkage() == Linkage::External {
            global.set_linkage(Linkage::Internal);
        }
    }
}
