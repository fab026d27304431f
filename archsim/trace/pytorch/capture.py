"""A PyTorch module as a graph of ATen operators in which nothing is written in place."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind
from torch.nn import functional
from torch.utils import _pytree as pytree

from archsim.errors import InputError
from archsim.trace.pytorch.decompositions import table

Inputs: TypeAlias = Tensor | Sequence[Any] | Mapping[str, Any]
LEAVES = ("_local_scalar_dense", "item")  # operators whose result leaves torch


@dataclass
class Captured:
    """What a module computes on given inputs.

    graph: ATen operators with static shapes, functional. values: a tensor (or a plain value) for
    every placeholder and attribute of the graph. inputs: names of the inputs by placeholder.
    stored: the path in the module of every parameter and buffer, by placeholder. outputs: nodes
    whose values leave the module. ran: paths of the modules that were called. way: how it was made.
    """

    graph: fx.GraphModule
    values: dict[str, Any]
    inputs: dict[str, str]
    stored: dict[str, str]
    outputs: list[fx.Node]
    ran: set[str] = field(default_factory=set)
    way: str = "torch.export"


@dataclass(frozen=True)
class Arguments:
    """What `forward` is called with, tensors detached and copied."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: tuple[str, ...]  # of the positional ones


def capture(module: nn.Module, given: Arguments) -> Captured:
    """The graph of a module, by torch.export or, where that cannot follow, by recording a run.

    torch.export cannot follow a program whose way depends on the data; the recording keeps the way
    that the given inputs take. Errors that the module raises on its inputs are its own.
    """
    ran: set[str] = set()
    ways = (_quiet(), _as_experts_are(module), _followed(module, ran), _plain_attention())
    with torch.no_grad(), ExitStack() as stack:
        for way in ways:
            stack.enter_context(way)
        try:
            found = _exported(module, given)
        except Exception as fault:
            found = _recorded(module, given, fault)
    found.ran = ran
    return found


def _exported(module: nn.Module, given: Arguments) -> Captured:
    program = torch.export.export(module, given.args, given.kwargs, strict=False)
    spec = program.call_spec.in_spec
    program = program.run_decompositions(table())
    order = spec.children_specs[1].context if spec is not None else list(given.kwargs)
    kwargs = {name: given.kwargs[name] for name in order}
    leaves = pytree.tree_leaves((given.args, kwargs))
    words = _leaf_names(given, kwargs)
    values: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    stored: dict[str, str] = {}
    seen: dict[int, str] = {}
    users = iter(zip(words, leaves, strict=True))
    for item in program.graph_signature.input_specs:
        name = item.arg.name
        if item.kind == InputKind.USER_INPUT:
            word, values[name] = next(users)
            if isinstance(values[name], Tensor):
                inputs[name] = seen.setdefault(id(values[name]), word)
        elif item.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            assert item.target is not None
            buffers = program.state_dict if item.target in program.state_dict else program.constants
            values[name], stored[name] = buffers[item.target], item.target
        else:
            values[name] = program.constants.get(item.target or "")
    graph = program.graph_module
    wanted = set(program.graph_signature.user_outputs)
    outputs = [
        node for node in graph.graph.output_node().all_input_nodes if node.name in wanted
    ]  # fmt: skip
    return Captured(graph, values, inputs, stored, [*outputs, *_leaving(graph)])


def _recorded(module: nn.Module, given: Arguments, why: Exception) -> Captured:
    """A run on the real inputs as a graph; what in it depends on the data is taken as it was."""
    from torch.fx.experimental.proxy_tensor import make_fx

    flat, form = pytree.tree_flatten((given.args, given.kwargs))
    places = [i for i, leaf in enumerate(flat) if isinstance(leaf, Tensor)]
    unique: dict[int, int] = {}
    for i in places:
        unique.setdefault(id(flat[i]), i)
    words = _leaf_names(given, given.kwargs)

    def call(*tensors: Tensor) -> list[Any]:
        leaves = list(flat)
        by_id = dict(zip(unique, tensors, strict=True))
        for i in places:
            leaves[i] = by_id[id(flat[i])]
        args, kwargs = pytree.tree_unflatten(leaves, form)
        return list(pytree.tree_leaves(module(*args, **kwargs)))

    tensors = [flat[i] for i in unique.values()]
    with fx.traceback.preserve_node_meta(), _module_metadata(module):
        graph = make_fx(
            call, decomposition_table=table(), pre_dispatch=True, tracing_mode="real",
            _error_on_data_dependent_ops=False,
        )(*[tensor.clone() for tensor in tensors])  # fmt: skip
    if any(_writes(node) for node in graph.graph.nodes):
        graph = _functional(graph, [tensor.clone() for tensor in tensors])
    places_of = {_key(p): name for name, p in _named(module)}
    values: dict[str, Any] = {}
    stored: dict[str, str] = {}
    inputs: dict[str, str] = {}
    found = [node for node in graph.graph.nodes if node.op == "placeholder"]
    for node, i in zip(found, unique.values(), strict=True):
        values[node.name], inputs[node.name] = flat[i], words[i]
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            value = getattr(graph, node.target)
            values[node.name] = value
            if isinstance(value, Tensor) and _key(value) in places_of:
                stored[node.name] = places_of[_key(value)]
    outputs = list(graph.graph.output_node().all_input_nodes)
    way = f"a recording (torch.export: {type(why).__name__})"
    return Captured(graph, values, inputs, stored, [*outputs, *_leaving(graph)], way=way)


def _functional(graph: fx.GraphModule, tensors: list[Tensor]) -> fx.GraphModule:
    """The same graph without operators that write to their inputs."""
    from torch.fx.experimental.proxy_tensor import make_fx

    def call(*given: Tensor) -> Any:
        return fx.Interpreter(graph).run(*given)

    with fx.traceback.preserve_node_meta():
        made: fx.GraphModule = make_fx(
            torch.func.functionalize(call), decomposition_table=table(), tracing_mode="real",
            _error_on_data_dependent_ops=False,
        )(*tensors)  # fmt: skip
    return made


def _writes(node: fx.Node) -> bool:
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _leaving(graph: fx.GraphModule) -> list[fx.Node]:
    """Values that are read as Python numbers: they decide or scale something outside torch."""
    found = []
    for node in graph.graph.nodes:
        target = node.target
        if isinstance(target, torch._ops.OpOverload):
            name = target._schema.name.removeprefix("aten::")
            if name in LEAVES and not node.users:
                found.append(node.args[0])
    return found


def _leaf_names(given: Arguments, kwargs: Mapping[str, Any]) -> list[str]:
    """A name for every leaf of the arguments: the argument's, numbered where it has several."""
    names = []
    for word, value in [*zip(given.names, given.args, strict=False), *kwargs.items()]:
        count = len(pytree.tree_leaves(value))
        names += [word] if count == 1 else [f"{word}.{i}" for i in range(count)]
    return names


def _named(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_buffers()
    yield from module.named_parameters()


def _key(tensor: Tensor) -> tuple[Any, ...]:
    plain = tensor.detach()
    return plain.data_ptr(), tuple(plain.shape), tuple(plain.stride()), plain.dtype


# While a module is followed


@contextmanager
def _followed(module: nn.Module, ran: set[str]) -> Iterator[None]:
    """Note the path of every module that is called."""
    paths = {id(m): path for path, m in module.named_modules()}

    def enter(called: nn.Module, args: Any) -> None:
        if id(called) in paths:
            ran.add(paths[id(called)])

    hook = nn.modules.module.register_module_forward_pre_hook(enter)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _module_metadata(module: nn.Module) -> Iterator[None]:
    """Give every recorded node the stack of modules that it belongs to, as torch.export does."""
    paths = {id(m): path for path, m in module.named_modules()}
    stack: list[dict[str, Any]] = [{}]
    meta = fx.traceback.current_meta

    def enter(called: nn.Module, args: Any) -> None:
        path = paths.get(id(called), type(called).__name__)
        stack.append({**stack[-1], path: (path, type(called).__qualname__)})
        meta["nn_module_stack"] = stack[-1]

    def leave(called: nn.Module, args: Any, result: Any) -> None:
        stack.pop()
        meta["nn_module_stack"] = stack[-1]

    hooks = nn.modules.module
    before = hooks.register_module_forward_pre_hook(enter)
    after = hooks.register_module_forward_hook(leave, always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()
        meta.pop("nn_module_stack", None)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """nn.MultiheadAttention with a product for each of query, key and value, and no weights out.

    Its fast path is one opaque operator; the packed projection would be cut by moves.
    """

    def separate(q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None) -> Any:
        biases = [None] * 3 if b is None else b.chunk(3)
        parts = zip((q, k, v), w.chunk(3), biases, strict=True)
        return [functional.linear(source, weight, bias) for source, weight, bias in parts]

    inside: Any = functional
    packed, forward = inside._in_projection_packed, inside.multi_head_attention_forward
    fast = torch.backends.mha.get_fastpath_enabled()

    def without_weights(*args: Any, **kwargs: Any) -> Any:
        kwargs["need_weights"] = False
        return forward(*args, **kwargs)

    inside._in_projection_packed = separate
    inside.multi_head_attention_forward = without_weights
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        inside._in_projection_packed = packed
        inside.multi_head_attention_forward = forward
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _as_experts_are(module: nn.Module) -> Iterator[None]:
    """transformers' mixtures of experts as one product over tokens that are sorted by expert."""
    configs: dict[int, Any] = {
        id(m.config): m.config
        for m in module.modules()
        if hasattr(getattr(m, "config", None), "_experts_implementation")
    }
    before = {key: config._experts_implementation for key, config in configs.items()}
    for config in configs.values():
        config._experts_implementation = "grouped_mm"
    try:
        yield
    finally:
        for key, config in configs.items():
            config._experts_implementation = before[key]


@contextmanager
def _quiet() -> Iterator[None]:
    """torch.export warns and logs of what the fallback then does."""
    names = ("torch.fx.experimental.symbolic_shapes", "torch._export", "torch.export")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def arguments(module: nn.Module, example_inputs: Inputs, label: str) -> Arguments:
    """The example inputs as arguments of `forward`; InputError for what is none or empty."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(example_inputs, Tensor):
        args = (example_inputs,)
    elif isinstance(example_inputs, Mapping):
        kwargs = dict(example_inputs)
    elif isinstance(example_inputs, Sequence) and not isinstance(example_inputs, str):
        args = tuple(example_inputs)
    else:
        raise InputError(
            f"the example inputs are a {type(example_inputs).__name__}.",
            label,
            "Give a tensor, a sequence of positional arguments or a mapping of keyword arguments.",
        )
    names = _argument_names(module)
    names += [f"input{i}" for i in range(len(names), len(args))]
    copies: dict[int, Tensor] = {}  # one input for a tensor that is given twice

    def copied(word: str, value: Any) -> Any:
        leaves, form = pytree.tree_flatten(value)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Tensor):
                if not leaf.numel():
                    raise InputError(f"the input '{word}' is empty: {list(leaf.shape)}.", label)
                leaves[i] = copies.setdefault(id(leaf), leaf.detach().clone())
        return pytree.tree_unflatten(leaves, form)

    made = tuple(copied(word, value) for word, value in zip(names, args, strict=False))
    return Arguments(
        made, {word: copied(word, value) for word, value in kwargs.items()}, tuple(names)
    )


def _argument_names(module: nn.Module) -> list[str]:
    import inspect

    try:
        found = inspect.signature(module.forward).parameters.values()
    except ValueError:  # scripted modules have none
        return []
    return [a.name for a in found if a.kind is not a.VAR_POSITIONAL]
