// What the cut of a module is decided from: its symbols, who refers to whom, and what must stay together.
//
// Facts only. Which piece a symbol goes to is decided in Rust (`partition`), which knows no LLVM.
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

#include "buffer.h"
#include "cut.h"
#include "shim.h"

using namespace llvm;
using namespace tender;

struct TenderGraph {
  std::vector<TenderNode> nodes;
  std::vector<TenderEdge> edges;
  std::vector<TenderTie> ties;
  std::string whole;
};

namespace {

// GlobalOpt's question, asked early: does anything but a load use the address?
bool onlyRead(const Value &pointer, SmallPtrSetImpl<const Value *> &seen) {
  for (const User *user : pointer.users()) {
    if (auto *load = dyn_cast<LoadInst>(user)) {
      if (load->isVolatile())
        return false;
    } else if (isa<GEPOperator>(user) || isa<BitCastOperator>(user)) {
      if (seen.insert(user).second && !onlyRead(*user, seen))
        return false;
    } else if (auto *transfer = dyn_cast<MemTransferInst>(user)) {
      if (transfer->isVolatile() || transfer->getRawDest() == &pointer)
        return false;
    } else if (!isa<ICmpInst>(user)) {
      return false;
    }
  }
  return true;
}

void markConstants(Module &module) {
  for (GlobalVariable &variable : module.globals()) {
    if (variable.isConstant() || !variable.hasLocalLinkage() || variable.isExternallyInitialized() ||
        variable.isThreadLocal() || variable.use_empty())
      continue;
    SmallPtrSet<const Value *, 16> seen;
    if (onlyRead(variable, seen))
      variable.setConstant(true);
  }
}

bool isIdentifier(char c) { return isAlnum(c) || c == '_' || c == '.' || c == '$'; }

class Builder {
public:
  Builder(Module &module, TenderGraph &graph) : module(module), graph(graph), values(numbered(module)) {
    for (size_t i = 0; i < values.size(); ++i)
      numbers[values[i]] = static_cast<uint32_t>(i);
    SmallVector<GlobalValue *, 8> list;
    collectUsedGlobalVariables(module, list, /*CompilerUsed=*/false);
    collectUsedGlobalVariables(module, list, /*CompilerUsed=*/true);
    used.insert(list.begin(), list.end());
    // Both are known before any node is described: an edge later in the module may forbid an earlier copy.
    for (Function &function : module)
      for (Instruction &instruction : instructions(function))
        look(function, instruction);
  }

  void build() {
    graph.nodes.resize(values.size());
    for (uint32_t i = 0; i < values.size(); ++i) {
      graph.nodes[i] = describe(*values[i]);
      connect(i);
    }
    tieComdats();
    tieSections();
  }

private:
  // What makes a body one that must not be copied, and which names stand in inline assembly.
  void look(Function &function, Instruction &instruction) {
    if (isa<IndirectBrInst>(instruction) || isa<CallBrInst>(instruction))
      unique.insert(&function);
    auto *call = dyn_cast<CallBase>(&instruction);
    if (!call)
      return;
    if (call->hasFnAttr(Attribute::ReturnsTwice) || call->isMustTailCall())
      unique.insert(&function);
    if (auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand()))
      readAssembly(function, assembly->getAsmString());
  }

  void readAssembly(Function &function, StringRef text) {
    for (size_t at = 0; at < text.size();) {
      if (!isIdentifier(text[at])) {
        ++at;
        continue;
      }
      size_t end = at;
      while (end < text.size() && isIdentifier(text[end]))
        ++end;
      StringRef word = text.slice(at, end);
      at = end;
      GlobalValue *value = module.getNamedValue(word);
      if (!value || value == &function)
        continue;
      // A declared symbol may be one that the text defines, and then perhaps as a local label: its users have to be
      // in the same object.
      bool defines = text.substr(end).ltrim(" \t").starts_with(":") || text.contains(".set") ||
                     text.contains(".equ") || text.contains("=");
      if (value->hasLocalLinkage() || (value->isDeclaration() && defines)) {
        pinned.insert(value);
        unique.insert(&function);
        tie(numbers[&function], numbers[value]);
      }
    }
  }

  TenderNode describe(const GlobalValue &value) {
    TenderNode node = {};
    auto set = [&](uint32_t flag, bool on) { node.flags |= on ? flag : 0; };
    set(TENDER_NODE_DEFINED, !value.isDeclaration());
    set(TENDER_NODE_LOCAL, value.hasLocalLinkage());
    set(TENDER_NODE_PINNED, pinned.contains(&value));
    set(TENDER_NODE_LINKONCE, value.hasLinkOnceLinkage());
    set(TENDER_NODE_OPTIONAL, value.hasAvailableExternallyLinkage());
    if (auto *function = dyn_cast<Function>(&value))
      describe(*function, node);
    else if (auto *variable = dyn_cast<GlobalVariable>(&value))
      describe(*variable, node);
    return node;
  }

  void describe(const Function &function, TenderNode &node) {
    node.flags |= TENDER_NODE_FUNCTION;
    if (function.isDeclaration())
      return;
    bool blockAddress = false;
    for (const BasicBlock &block : function) {
      ++node.blocks;
      blockAddress |= block.hasAddressTaken();
      for (const Instruction &instruction : block)
        if (!instruction.isDebugOrPseudoInst() && !instruction.isLifetimeStartOrEnd())
          ++node.instructions;
    }
    bool copyable = !function.isInterposable() && !function.isVarArg() && !blockAddress &&
                    !unique.contains(&function) && !pinned.contains(&function) &&
                    !function.hasFnAttribute(Attribute::NoInline) && !function.hasFnAttribute(Attribute::Naked) &&
                    !function.hasFnAttribute(Attribute::OptimizeNone) &&
                    !function.hasFnAttribute(Attribute::ReturnsTwice) &&
                    !function.hasFnAttribute(Attribute::PresplitCoroutine);
    if (!copyable)
      return;
    node.flags |= TENDER_NODE_COPYABLE;
    if (function.hasFnAttribute(Attribute::AlwaysInline))
      node.flags |= TENDER_NODE_ALWAYS_INLINE;
    bool plainComdat = !function.hasComdat() || function.getComdat()->getUsers().size() == 1;
    if (!used.contains(&function) && !function.hasSection() && plainComdat &&
        ((function.hasLocalLinkage() && !function.hasComdat() && !function.hasAddressTaken()) ||
         function.hasLinkOnceODRLinkage()))
      node.flags |= TENDER_NODE_REPLICABLE;
  }

  void describe(const GlobalVariable &variable, TenderNode &node) {
    if (isSpecial(variable.getName())) {
      node.flags |= TENDER_NODE_SPECIAL;
      return;
    }
    if (variable.isDeclaration())
      return;
    TypeSize size = module.getDataLayout().getTypeAllocSize(variable.getValueType());
    node.bytes = size.getKnownMinValue();
    bool plain = variable.isConstant() && !variable.isInterposable() && !variable.isExternallyInitialized() &&
                 !variable.isThreadLocal() && !variable.hasSection() && !variable.hasComdat() &&
                 !used.contains(&variable) && !pinned.contains(&variable) && !variable.hasAppendingLinkage() &&
                 !variable.hasMetadata(LLVMContext::MD_associated);
    if (!plain)
      return;
    if (variable.hasLocalLinkage() && variable.hasGlobalUnnamedAddr())
      node.flags |= TENDER_NODE_REPLICABLE;
    else if (!variable.hasAvailableExternallyLinkage() && !variable.hasLinkOnceLinkage())
      node.flags |= TENDER_NODE_COPYABLE;
  }

  // Edges and ties that start at one symbol.
  void connect(uint32_t from) {
    GlobalValue &value = *values[from];
    targets.clear();
    visited.clear();
    if (graph.nodes[from].flags & TENDER_NODE_SPECIAL)
      return;
    if (auto *function = dyn_cast<Function>(&value)) {
      // Personality, prefix and prologue.
      for (const Use &operand : function->operands())
        mention(from, *operand);
      for (const Instruction &instruction : instructions(*function)) {
        if (auto *call = dyn_cast<CallBase>(&instruction))
          if (const Function *callee = call->getCalledFunction())
            ++targets[numbers[callee]];
        for (const Use &operand : instruction.operands())
          if (isa<Constant>(operand))
            mention(from, *operand);
      }
    } else if (auto *variable = dyn_cast<GlobalVariable>(&value)) {
      if (variable->hasInitializer())
        mention(from, *variable->getInitializer());
      if (const MDNode *associated = variable->getMetadata(LLVMContext::MD_associated))
        for (const MDOperand &operand : associated->operands())
          if (auto *constant = dyn_cast_or_null<ConstantAsMetadata>(operand.get()))
            if (auto *other = dyn_cast<GlobalObject>(constant->getValue()->stripPointerCasts()))
              tie(from, numbers[other]);
      // The order of constructors is that of one array, and an entry with a comdat key goes where the key goes.
      if (variable->getName() == "llvm.global_ctors" || variable->getName() == "llvm.global_dtors")
        for (const auto &[to, calls] : targets)
          tie(from, to);
    } else if (auto *alias = dyn_cast<GlobalAlias>(&value)) {
      mention(from, *alias->getAliasee());
      tieAll(from);
    } else if (auto *ifunc = dyn_cast<GlobalIFunc>(&value)) {
      mention(from, *ifunc->getResolver());
      tieAll(from);
    }
    for (const auto &[to, calls] : targets)
      if (to != from)
        graph.edges.push_back({from, to, calls});
  }

  void mention(uint32_t from, const Value &value) {
    if (auto *global = dyn_cast<GlobalValue>(&value)) {
      targets.insert({numbers[global], 0});
      return;
    }
    auto *constant = dyn_cast<Constant>(&value);
    if (!constant || isa<ConstantData>(constant) || !visited.insert(constant).second)
      return;
    if (auto *address = dyn_cast<BlockAddress>(constant))
      tie(from, numbers[address->getFunction()]);
    for (const Use &operand : constant->operands())
      mention(from, *operand);
  }

  void tieAll(uint32_t from) {
    for (const auto &[to, calls] : targets)
      tie(from, to);
  }

  void tieComdats() {
    DenseMap<const Comdat *, uint32_t> first;
    for (uint32_t i = 0; i < values.size(); ++i)
      if (const Comdat *comdat = values[i]->getComdat()) {
        auto [known, fresh] = first.insert({comdat, i});
        if (!fresh)
          tie(known->second, i);
      }
  }

  // A section that the source names is often a table whose entries stand in the order of the source.
  void tieSections() {
    StringMap<uint32_t> first;
    for (uint32_t i = 0; i < values.size(); ++i) {
      auto *variable = dyn_cast<GlobalVariable>(values[i]);
      if (!variable || variable->isDeclaration() || !variable->hasSection() ||
          (graph.nodes[i].flags & TENDER_NODE_SPECIAL))
        continue;
      auto [known, fresh] = first.insert({variable->getSection(), i});
      if (!fresh)
        tie(known->second, i);
    }
  }

  void tie(uint32_t a, uint32_t b) {
    if (a != b)
      graph.ties.push_back({a, b});
  }

  Module &module;
  TenderGraph &graph;
  std::vector<GlobalValue *> values;
  DenseMap<const Value *, uint32_t> numbers;
  SmallPtrSet<const GlobalValue *, 8> used, pinned, unique;
  // Of the symbol at hand: what it refers to, with the number of direct calls.
  MapVector<uint32_t, uint32_t> targets;
  SmallPtrSet<const Constant *, 16> visited;
};

std::string reasonToKeepWhole(const Module &module) {
  if (!module.getModuleInlineAsm().empty())
    return "it has assembly outside of functions";
  if (!module.getTargetTriple().isOSBinFormatELF())
    return "its object format is not ELF";
  for (const char *name : {"llvm.gcov", "cfi.functions", "omp_offload.info", "llvm.offloading.symbols"})
    if (module.getNamedMetadata(name))
      return std::string("it has ") + name;
  for (const Function &function : module)
    if (function.getName().starts_with("llvm.instrprof."))
      return "it is instrumented for a profile";
  for (const GlobalVariable &variable : module.globals())
    if (variable.getName().starts_with("__llvm_prof") || variable.getName().starts_with("__covrec"))
      return "it is instrumented for coverage";
  return std::string();
}

} // namespace

namespace tender {

std::vector<GlobalValue *> numbered(Module &module) {
  std::vector<GlobalValue *> values;
  for (Function &value : module)
    values.push_back(&value);
  for (GlobalVariable &value : module.globals())
    values.push_back(&value);
  for (GlobalAlias &value : module.aliases())
    values.push_back(&value);
  for (GlobalIFunc &value : module.ifuncs())
    values.push_back(&value);
  return values;
}

} // namespace tender

extern "C" {

TenderModuleSize tender_module_size(LLVMModuleRef moduleRef) {
  TenderModuleSize size{};
  const Module &module = *unwrap(moduleRef);
  for (const Function &function : module) {
    size.functions += !function.isDeclaration();
    size.alwaysInline +=
        !function.isDeclaration() && function.hasFnAttribute(Attribute::AlwaysInline);
    for (const BasicBlock &block : function) {
      ++size.blocks;
      size.instructions += block.size();
    }
  }
  const DataLayout &layout = module.getDataLayout();
  for (const GlobalVariable &variable : module.globals())
    if (variable.hasInitializer())
      size.bytes += layout.getTypeAllocSize(variable.getValueType()).getFixedValue();
  return size;
}

TenderGraph *tender_graph(LLVMModuleRef moduleRef, bool optimised) {
  Module &module = *unwrap(moduleRef);
  auto graph = std::make_unique<TenderGraph>();
  graph->whole = reasonToKeepWhole(module);
  if (graph->whole.empty()) {
    if (optimised)
      markConstants(module);
    Builder(module, *graph).build();
  }
  return graph.release();
}

void tender_graph_free(TenderGraph *graph) { delete graph; }

const TenderNode *tender_graph_nodes(const TenderGraph *graph, size_t *count) {
  *count = graph->nodes.size();
  return graph->nodes.data();
}

const TenderEdge *tender_graph_edges(const TenderGraph *graph, size_t *count) {
  *count = graph->edges.size();
  return graph->edges.data();
}

const TenderTie *tender_graph_ties(const TenderGraph *graph, size_t *count) {
  *count = graph->ties.size();
  return graph->ties.data();
}

TenderStr tender_graph_whole(const TenderGraph *graph) { return str(graph->whole); }

} // extern "C"
