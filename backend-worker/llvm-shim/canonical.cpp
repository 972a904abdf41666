// Puts what a module defines into an order that depends on its content alone.
//
// Clang creates functions and variables as it meets them, and emits inline functions and templates
// at the end. Where headers came from a precompiled file, it meets the latter in another order.
// What it emits at once, and what that refers to, is in the unit's own order in any case. All else
// is put in the order in which it is reached from there.
#include "canonical.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace tender {
namespace {

// Vtables and type information: they have a place of their own only where something refers to them,
// since clang emits them at the end.
bool isTypeData(const GlobalValue &value) {
  StringRef name = value.getName();
  return name.starts_with("_ZTV") || name.starts_with("_ZTT") || name.starts_with("_ZTC") ||
         name.starts_with("_ZTI") || name.starts_with("_ZTS");
}

bool isEager(const GlobalValue &value) {
  return !value.isDeclaration() && !value.isDiscardableIfUnused() && !isTypeData(value) &&
         !value.hasAppendingLinkage() && !value.hasAvailableExternallyLinkage();
}

class Order {
public:
  explicit Order(Module &module) : module(module) {}

  void run() {
    SmallVector<GlobalValue *, 0> special;
    // What clang emits at once, and what that refers to.
    DenseSet<const GlobalValue *> first;
    auto consider = [&](GlobalValue &value) {
      if (value.hasAppendingLinkage() || value.getName().starts_with("llvm.")) {
        special.push_back(&value);
        return;
      }
      if (!isEager(value))
        return;
      first.insert(&value);
      references(value, [&](GlobalValue *used) { first.insert(used); });
    };
    for (GlobalValue &value : module.functions())
      consider(value);
    for (GlobalValue &value : module.globals())
      consider(value);
    for (GlobalValue &value : module.aliases())
      consider(value);
    auto keep = [&](GlobalValue &value) {
      if (first.contains(&value))
        place(&value);
    };
    for (GlobalValue &value : module.functions())
      keep(value);
    for (GlobalValue &value : module.globals())
      keep(value);
    size_t begin = order.size();
    for (size_t at = 0; at < begin; ++at)
      if (!isEager(*order[at]))
        follow(order[at]);
    // What nothing refers to has no place but its name's.
    SmallVector<GlobalValue *, 0> rest;
    auto left = [&](GlobalValue &value) {
      if (!placed.contains(&value) && !is_contained(special, &value))
        rest.push_back(&value);
    };
    for (GlobalValue &value : module.globals())
      left(value);
    for (GlobalValue &value : module.functions())
      left(value);
    llvm::sort(rest, [](const GlobalValue *a, const GlobalValue *b) {
      return a->getName() < b->getName();
    });
    for (GlobalValue *value : rest)
      if (place(value))
        follow(value);
    for (GlobalValue *value : special)
      place(value);
    rename(begin);
    for (GlobalValue *value : order) {
      if (auto *function = dyn_cast<Function>(value)) {
        function->removeFromParent();
        module.getFunctionList().push_back(function);
      } else if (auto *variable = dyn_cast<GlobalVariable>(value)) {
        module.removeGlobalVariable(variable);
        module.insertGlobalVariable(variable);
      }
    }
  }

private:
  bool place(GlobalValue *value) {
    if (!placed.insert(value).second)
      return false;
    order.push_back(value);
    return true;
  }

  // Clang emits a function, then what it was the first to refer to, each followed by its own.
  void follow(GlobalValue *value) {
    SmallVector<GlobalValue *, 0> open{value};
    while (!open.empty()) {
      GlobalValue *now = open.pop_back_val();
      SmallVector<GlobalValue *, 8> found;
      references(*now, [&](GlobalValue *used) {
        if (place(used))
          found.push_back(used);
      });
      open.append(found.rbegin(), found.rend());
    }
  }

  void references(const GlobalValue &value, function_ref<void(GlobalValue *)> use) {
    if (const auto *function = dyn_cast<Function>(&value)) {
      for (const Use &operand : function->operands())
        constant(cast<Constant>(operand.get()), use);
      for (const Instruction &instruction : instructions(function))
        for (const Use &operand : instruction.operands())
          if (auto *used = dyn_cast<Constant>(operand.get()))
            constant(used, use);
    } else if (const auto *variable = dyn_cast<GlobalVariable>(&value)) {
      if (variable->hasInitializer())
        constant(variable->getInitializer(), use);
    } else if (const auto *alias = dyn_cast<GlobalAlias>(&value)) {
      constant(alias->getAliasee(), use);
    }
  }

  void constant(const Constant *value, function_ref<void(GlobalValue *)> use) {
    if (auto *global = dyn_cast<GlobalValue>(value)) {
      use(const_cast<GlobalValue *>(global));
      return;
    }
    for (const Use &operand : value->operands())
      if (auto *used = dyn_cast<Constant>(operand.get()))
        constant(used, use);
  }

  // LLVM appends one number to each name that is there already, from one counter.
  void rename(size_t begin) {
    SmallVector<std::pair<GlobalValue *, std::string>, 0> numbered;
    unsigned next = 1;
    auto number = [&](const GlobalValue *value, StringRef &base) {
      unsigned suffix;
      auto [head, tail] = value->getName().rsplit('.');
      if (!value->hasLocalLinkage() || tail.empty() || tail.getAsInteger(10, suffix))
        return false;
      base = head;
      return true;
    };
    for (size_t at = 0; at < order.size(); ++at) {
      StringRef base;
      if (!number(order[at], base))
        continue;
      if (at < begin) {
        unsigned suffix;
        order[at]->getName().rsplit('.').second.getAsInteger(10, suffix);
        next = std::max(next, suffix + 1);
      } else {
        numbered.push_back({order[at], base.str()});
      }
    }
    for (auto &[value, base] : numbered)
      value->setName("");
    for (auto &[value, base] : numbered) {
      std::string name;
      do
        name = base + "." + utostr(next++);
      while (module.getNamedValue(name));
      value->setName(name);
    }
  }

  Module &module;
  SmallVector<GlobalValue *, 0> order;
  DenseSet<const GlobalValue *> placed;
};

// Variables first: clang reads the fields of a class from a precompiled file apart from what else
// is in it (RecordDecl::LoadFieldsFromExternalStorage).
void orderMembers(Module &module) {
  DebugInfoFinder finder;
  finder.processModule(module);
  for (DIType *type : finder.types()) {
    auto *composite = dyn_cast<DICompositeType>(type);
    if (!composite || !composite->isDistinct())
      continue;
    SmallVector<Metadata *, 32> variables, rest;
    bool sorted = true;
    for (Metadata *element : composite->getElements()) {
      auto *member = dyn_cast<DIDerivedType>(element);
      if (member && member->isStaticMember()) {
        sorted &= rest.empty();
        variables.push_back(element);
      } else {
        rest.push_back(element);
      }
    }
    if (sorted)
      continue;
    variables.append(rest);
    composite->replaceElements(MDTuple::get(module.getContext(), variables));
  }
}

// Types that clang has completed after it had referred to them.
void orderRetainedTypes(DICompileUnit &unit) {
  SmallVector<Metadata *, 0> types(unit.getRetainedTypes()->operands());
  auto key = [](const Metadata *node) {
    const auto *type = dyn_cast<DICompositeType>(node);
    const auto *scope = dyn_cast<DIScope>(node);
    return std::tuple(type ? type->getIdentifier() : StringRef(),
                      scope ? scope->getName() : StringRef());
  };
  llvm::stable_sort(types, [&](const Metadata *a, const Metadata *b) { return key(a) < key(b); });
  unit.replaceRetainedTypes(MDTuple::get(unit.getContext(), types));
}

// What a type or variable is, for an order of its own.
auto identity(const Metadata *node) {
  const auto *type = dyn_cast<DICompositeType>(node);
  const auto *variable = dyn_cast<DIGlobalVariable>(node);
  const auto *scope = dyn_cast<DIScope>(node);
  DIFile *file = variable ? variable->getFile() : scope ? scope->getFile() : nullptr;
  return std::tuple(file ? file->getFilename() : StringRef(),
                    variable ? variable->getLine()
                    : type   ? type->getLine()
                             : 0,
                    type ? type->getIdentifier() : StringRef(),
                    variable ? variable->getName()
                    : scope  ? scope->getName()
                             : StringRef());
}

// Variables in the order of the module's, after that those of which only the value is left.
void orderVariables(Module &module, DICompileUnit &unit) {
  DenseMap<const Metadata *, size_t> position;
  for (const GlobalVariable &global : module.globals()) {
    SmallVector<DIGlobalVariableExpression *, 1> described;
    global.getDebugInfo(described);
    for (const DIGlobalVariableExpression *one : described)
      position.try_emplace(one, position.size());
  }
  SmallVector<Metadata *, 0> all(unit.getGlobalVariables()->operands());
  auto key = [&](const Metadata *node) {
    auto found = position.find(node);
    const auto *expression = dyn_cast<DIGlobalVariableExpression>(node);
    return std::tuple(found == position.end() ? SIZE_MAX : found->second,
                      identity(expression ? expression->getVariable() : node));
  };
  llvm::stable_sort(all, [&](const Metadata *a, const Metadata *b) { return key(a) < key(b); });
  unit.replaceGlobalVariables(MDTuple::get(unit.getContext(), all));
}

void orderEnums(DICompileUnit &unit) {
  SmallVector<Metadata *, 0> all(unit.getEnumTypes()->operands());
  llvm::stable_sort(all,
                    [](const Metadata *a, const Metadata *b) { return identity(a) < identity(b); });
  unit.replaceEnumTypes(MDTuple::get(unit.getContext(), all));
}

// A built-in function that the unit does not declare has the place of its first use, which is
// another one where headers change their order. It has none in the text, so it gets none.
void placeBuiltins(Module &module) {
  auto units = module.debug_compile_units();
  if (units.empty())
    return;
  DIFile *file = (*units.begin())->getFile();
  for (Function &function : module) {
    DISubprogram *old = function.isDeclaration() ? function.getSubprogram() : nullptr;
    if (!old || !old->isArtificial())
      continue;
    function.setSubprogram(DISubprogram::get(
        module.getContext(), file, old->getName(), old->getLinkageName(), file, /*Line=*/0,
        old->getType(), /*ScopeLine=*/0, old->getContainingType(), old->getVirtualIndex(),
        old->getThisAdjustment(), old->getFlags(), old->getSPFlags(), old->getUnit()));
  }
}

// Clang names types as it meets them, and numbers those of one name. No code depends on the names.
void unnameTypes(Module &module) {
  for (StructType *type : module.getIdentifiedStructTypes())
    type->setName("");
}

std::vector<uint64_t> numberCookies(Module &module) {
  std::vector<uint64_t> cookies;
  DenseMap<uint64_t, uint64_t> numbers;
  auto number = [&](const MDNode &node) {
    SmallVector<Metadata *, 4> operands;
    for (const MDOperand &operand : node.operands()) {
      operands.push_back(operand);
      auto *cookie = mdconst::dyn_extract_or_null<ConstantInt>(operand);
      if (!cookie)
        continue;
      auto [found, isNew] = numbers.try_emplace(cookie->getZExtValue(), cookies.size() + 1);
      if (isNew)
        cookies.push_back(cookie->getZExtValue());
      operands.back() =
          ConstantAsMetadata::get(ConstantInt::get(cookie->getIntegerType(), found->second));
    }
    return MDNode::get(module.getContext(), operands);
  };
  for (Function &function : module) {
    if (const MDNode *node = function.getMetadata("srcloc"))
      function.setMetadata("srcloc", number(*node));
    for (Instruction &instruction : instructions(function))
      if (const MDNode *node = instruction.getMetadata("srcloc"))
        instruction.setMetadata("srcloc", number(*node));
  }
  return cookies;
}

} // namespace

std::vector<uint64_t> canonicalise(Module &module) {
  unnameTypes(module);
  placeBuiltins(module);
  Order(module).run();
  for (DICompileUnit *unit : module.debug_compile_units()) {
    if (unit->getRetainedTypes())
      orderRetainedTypes(*unit);
    if (unit->getGlobalVariables())
      orderVariables(module, *unit);
    if (unit->getEnumTypes())
      orderEnums(*unit);
  }
  if (module.getNamedMetadata("llvm.dbg.cu"))
    orderMembers(module);
  return numberCookies(module);
}

} // namespace tender
