"""Checks of other tools, and the equivalent of each here: the table from which `docs/reference/dialects.md` is made.

The types of asserts of promptfoo, and the evaluators of pydantic-evals, occur in data, and are translated (`asserts`,
`evaluators`). The metrics of deepeval and ragas, and the scorers of autoevals, are written in code, and have no rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A check of another tool.

    Args:
        theirs: Its name there.
        ours: The scorers, or ``judge: NAME`` for a judge with a ready rubric. Empty if there is no equivalent.
        note: The differences in meaning. Without an equivalent: the reason, and what to do, to follow the name.
    """

    theirs: str
    ours: str = ""
    note: str = ""


_CODE: Final = 'is code, which a golden set cannot run: move it to the suite, as { python = "pkg.mod:name" }'
_TRACES: Final = "reads the spans of a trace: record the calls in trajectory, and use steps or tool-calls"
_GRADED_NOT: Final = "Without the `not-` form."
_SUITE_JUDGE: Final = "The judge of the suite is asked. It has its own threshold"


def _by_judge(rubric: str) -> str:
    """Return what to do about a check that a judge with a ready rubric makes."""
    return (
        f'needs a judge of its own: add [judges.NAME] with rubric = "{rubric}", and {{ judge = "NAME" }} to the '
        "scorers of the suite"
    )


# https://www.promptfoo.dev/docs/configuration/expected-outputs/, and BaseAssertionTypesSchema in src/types/index.ts
PROMPTFOO: Final = (
    Equivalent("equals", "exact", "Texts in one form of Unicode."),
    Equivalent("contains", "contains", "Texts in one form of Unicode."),
    Equivalent("icontains", "icontains", "Without regard to case by Unicode: ß is ss."),
    Equivalent("contains-any", "contains-any"),
    Equivalent("contains-all", "contains-all"),
    Equivalent("icontains-any", "icontains-any"),
    Equivalent("icontains-all", "icontains-all"),
    Equivalent("starts-with", "starts-with"),
    Equivalent("regex", "regex", "The pattern is translated from JavaScript; what differs is refused."),
    Equivalent("word-count", "word-count"),
    Equivalent(
        "is-json",
        "json-valid, json-schema",
        "Duplicate keys and numbers that overflow are refused. With a schema: draft 7, and a code fence is accepted.",
    ),
    Equivalent("contains-json", "contains-json", "JSON, not YAML; lists count as well. With a schema: draft 7."),
    Equivalent("is-sql", "sql-valid", "Parsed by sqlglot, MySQL by default; a code fence is accepted. No allowlists."),
    Equivalent("contains-sql", note="has no rule: ask for the SQL alone, and use is-sql (sql-valid)"),
    Equivalent("is-xml", "xml-valid", "Entities are refused; a code fence is accepted."),
    Equivalent("contains-xml", note="has no rule: ask for the XML alone, and use is-xml (xml-valid)"),
    Equivalent("is-html", note='has no rule: use is-xml if it is well-formed, else { python = "pkg.mod:name" }'),
    Equivalent("contains-html", note="has no rule: use regex for the tag that you want"),
    Equivalent("is-refusal", "refusal", "Other phrases. An empty output is a miss."),
    Equivalent("levenshtein", "levenshtein", "Texts in one form of Unicode."),
    Equivalent("bleu", "bleu", f"{_GRADED_NOT} One reference."),
    Equivalent("gleu", "gleu", f"{_GRADED_NOT} Punctuation marks are tokens. One reference."),
    Equivalent("rouge-n", note="is the recall of words: use rouge-1, their F1, with a threshold that you measure"),
    Equivalent(
        "meteor", note="needs a dictionary of synonyms: use chrf or similar, with a threshold that you measure"
    ),
    Equivalent("latency", "latency", "In seconds; recorded and cached outputs have the latency of their call."),
    Equivalent("cost", "cost", "The price is that of the model in the configuration."),
    Equivalent("perplexity", note="needs log probabilities, which are not requested: remove it"),
    Equivalent("perplexity-score", note="needs log probabilities, which are not requested: remove it"),
    Equivalent("similar", "similar", 'The only model with api = "embeddings" is asked. Threshold 0.75 by default.'),
    Equivalent("similar:cosine", "similar", "As `similar`."),
    Equivalent("similar:dot", note="is not the cosine: use similar, which is the same for vectors of length 1"),
    Equivalent("similar:euclidean", note="is not the cosine: use similar, with a threshold that you measure"),
    Equivalent("moderation", "moderation", 'The only model with api = "moderations" is asked.'),
    Equivalent("classifier", note='needs a model of Hugging Face: use moderation, or { python = "pkg.mod:name" }'),
    Equivalent("guardrails", note="reads a signal of the provider: use moderation, or a judge of the suite"),
    Equivalent("llm-rubric", "rubric", f"{_SUITE_JUDGE}."),
    Equivalent("g-eval", "rubric", f"{_SUITE_JUDGE}. Several criteria are several scores."),
    Equivalent("model-graded-closedqa", "rubric", f"{_SUITE_JUDGE}."),
    Equivalent("factuality", "rubric", f"{_SUITE_JUDGE}. Asked whether the output contradicts the reference."),
    Equivalent("model-graded-factuality", "rubric", "As `factuality`."),
    Equivalent("answer-relevance", "rubric", f"{_SUITE_JUDGE}. No embeddings. Better: `judge: answer-relevance`."),
    Equivalent("context-faithfulness", "rubric", f"{_SUITE_JUDGE}. Better: `judge: claims`."),
    Equivalent("context-recall", note=_by_judge("context-recall")),
    Equivalent("context-relevance", note=_by_judge("context-relevance")),
    Equivalent("conversation-relevance", note=_by_judge("conversation")),
    Equivalent("trajectory:goal-success", "rubric", f"{_SUITE_JUDGE}. Better: `judge: task-success`."),
    Equivalent("pi", "rubric", f"{_SUITE_JUDGE}, and is no model of Pi Labs."),
    Equivalent("search-rubric", note="searches the web, which a judge does not: write what is true into expected"),
    Equivalent("agent-rubric", note='runs an agent as the grader: use llm-rubric, or { python = "pkg.mod:name" }'),
    Equivalent("select-best", note="compares outputs of several providers: give the suite several targets"),
    Equivalent("max-score", note="compares outputs of several providers: give the suite several targets"),
    Equivalent("human", note="is a grade by hand: write it into human_label"),
    Equivalent("finish-reason", note="is not needed: an output that was cut off or filtered is a miss. Remove it"),
    Equivalent("tool-call-f1", "tool-calls", "Repeated calls count. Without the `not-` form."),
    Equivalent("is-valid-function-call", "set of json-valid, steps", "The tools of the target. Without `not-`."),
    Equivalent("is-valid-openai-function-call", "set of json-valid, steps", "As `is-valid-function-call`."),
    Equivalent("is-valid-openai-tools-call", "set of json-valid, steps", "As `is-valid-function-call`. No MCP."),
    Equivalent("skill-used", note="reads a signal of the provider: record the skill as a tool call, and use steps"),
    Equivalent("trajectory:tool-used", "steps", "Names without patterns; no counts but `max: 0`."),
    Equivalent("trajectory:tool-args-match", "steps, tool-calls", "Names without patterns; no `defaults`."),
    Equivalent("trajectory:tool-sequence", "tool-calls", "Names without patterns. Without the `not-` form."),
    Equivalent("trajectory:step-count", "steps", "Only the most tool calls: `type: tool` with `max`."),
    Equivalent("trace-span-count", note=_TRACES),
    Equivalent("trace-span-duration", note=_TRACES),
    Equivalent("trace-error-spans", note=_TRACES),
    Equivalent("javascript", note=_CODE),
    Equivalent("python", note=_CODE),
    Equivalent("ruby", note=_CODE),
    Equivalent("webhook", note=_CODE),
    Equivalent("assert-set", "set", "The value is the mean; a threshold of 0 decides nothing."),
)
"""Types of asserts."""

# https://ai.pydantic.dev/evals/evaluators/built-in/, and pydantic_evals/evaluators/agentic.py
PYDANTIC_EVALS: Final = (
    Equivalent("Equals", "exact", "White space around the output does not count."),
    Equivalent("EqualsExpected", "exact", "A case without an expected value is refused, not skipped."),
    Equivalent("Contains", "contains, icontains, json-fields", "An object: its fields. No membership in lists."),
    Equivalent("ContainsExpected", "contains, icontains, json-fields", "As `Contains`, with the expected value."),
    Equivalent("IsInstance", "json-schema", "The JSON types dict, list, int, float, bool. Classes are not known."),
    Equivalent("MaxDuration", "latency"),
    Equivalent("LLMJudge", "rubric", f"{_SUITE_JUDGE}, and always sees the input and what is expected."),
    Equivalent("ToolCorrectness", "tool-calls", "Failed attempts are calls."),
    Equivalent(
        "TrajectoryMatch", "tool-calls", "Failed attempts are calls. Only an F1 of 1 passes, unless you say less."
    ),
    Equivalent("ArgumentCorrectness", note="has no single rule: use tool-calls with args, or steps with must"),
    Equivalent("MaxToolCalls", "steps", "Failed attempts are calls."),
    Equivalent("MaxModelRequests", "steps", "A message of the agent is one request."),
    Equivalent("HasMatchingSpan", note="reads the spans of a trace: use steps with must, on the recorded calls"),
    Equivalent("Python", note=_CODE),
)
"""Evaluators."""

# https://deepeval.com/docs/metrics-introduction, and deepeval/metrics/__init__.py
DEEPEVAL: Final = (
    Equivalent("GEval, ConversationalGEval", "rubric, or criteria of a judge", "Pass or fail, or 1 to 5; not 0 to 1."),
    Equivalent("AnswerRelevancyMetric", "judge: answer-relevance", "One grade, not the share of statements."),
    Equivalent("FaithfulnessMetric", "judge: claims", "The share of statements that the context supports."),
    Equivalent("ContextualPrecisionMetric", "judge: context-precision; precision-at-k, ndcg-at-k for ids"),
    Equivalent("ContextualRecallMetric", "judge: context-recall; recall-at-k for ids"),
    Equivalent("ContextualRelevancyMetric", "judge: context-relevance"),
    Equivalent(
        "HallucinationMetric", "judge: faithfulness", "Passes if nothing contradicts; there, a low value is good."
    ),
    Equivalent("SummarizationMetric", "judge: summary-quality"),
    Equivalent("BiasMetric", "judge: bias", "Passes if there is none; there, a low value is good."),
    Equivalent("ToxicityMetric", "judge: harmful-content; moderation", "Passes if there is none."),
    Equivalent("PIILeakageMetric", "no-personal-data", "Detectors with measured errors, not a model."),
    Equivalent("NonAdviceMetric, MisuseMetric, RoleViolationMetric", "rubric, or criteria of a judge"),
    Equivalent("RoleAdherenceMetric, PromptAlignmentMetric", "judge: instruction-following"),
    Equivalent(
        "AdversarialRobustnessMetric", "same-as, and the invariance gate", "On variants that `perturb` writes."
    ),
    Equivalent("ExactMatchMetric", "exact"),
    Equivalent("PatternMatchMetric", "regex", "Searches; there, the whole output has to match."),
    Equivalent("JsonCorrectnessMetric", "json-schema", "A JSON Schema in place of a pydantic model."),
    Equivalent("ToolCorrectnessMetric", "tool-calls", "Modes and arguments are named; graded: F1."),
    Equivalent("ArgumentCorrectnessMetric", "tool-calls, steps with schema", "Compared, or checked; no model."),
    Equivalent("ToolPermissionMetric", "steps", "`must_not`."),
    Equivalent("ToolUseMetric, MCPUseMetric, MultiTurnMCPUseMetric", "tool-calls, steps"),
    Equivalent("AgentLoopDetectionMetric", "steps", "`loop = false`."),
    Equivalent("StepEfficiencyMetric", "steps", "`max`, `max_calls`; no model."),
    Equivalent("TaskCompletionMetric, GoalAccuracyMetric, MCPTaskCompletionMetric", "judge: task-success"),
    Equivalent("PlanQualityMetric, PlanAdherenceMetric", "judge: plan-quality"),
    Equivalent("TopicAdherenceMetric", "rubric, or criteria of a judge"),
    Equivalent("ConversationCompletenessMetric, TurnRelevancyMetric, KnowledgeRetentionMetric", "judge: conversation"),
    Equivalent(
        "TurnFaithfulnessMetric, TurnContextual…Metric", note="One case for each turn, with that turn's context."
    ),
    Equivalent("DAGMetric, ConversationalDAGMetric", note="A scorer in Python that asks step by step."),
    Equivalent("ArenaGEval", "judge: pairwise-preference; several targets"),
    Equivalent("TextToImageMetric, Image…Metric", note="Outputs that are images are not graded."),
)
"""Metrics. Their `threshold` is that of a scorer; the gate decides on the whole run."""

# https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/
RAGAS: Final = (
    Equivalent("Faithfulness, ResponseGroundedness", "judge: claims", "The same definition."),
    Equivalent("ResponseRelevancy, AnswerRelevancy", "judge: answer-relevance", "No generated questions."),
    Equivalent("ContextPrecision, LLMContextPrecisionWithReference", "judge: context-precision"),
    Equivalent("NonLLMContextPrecisionWithReference, IDBasedContextPrecision", "precision-at-k"),
    Equivalent("ContextRecall, LLMContextRecall", "judge: context-recall"),
    Equivalent("NonLLMContextRecall, IDBasedContextRecall", "recall-at-k"),
    Equivalent("ContextRelevance", "judge: context-relevance"),
    Equivalent("ContextEntityRecall", note='Context recall, or contains-all on the context: field = "context".'),
    Equivalent("NoiseSensitivity", note="The claims that the context does not support, on cases with distractors."),
    Equivalent(
        "AnswerCorrectness, FactualCorrectness", "judge: answer-correctness", "F1 of statements; no embeddings."
    ),
    Equivalent("AnswerAccuracy", "judge: correctness"),
    Equivalent("SemanticSimilarity, AnswerSimilarity", "similar"),
    Equivalent("NonLLMStringSimilarity", "levenshtein-ratio"),
    Equivalent("BleuScore", "bleu"),
    Equivalent("ChrfScore", "chrf"),
    Equivalent("RougeScore", "rouge-1, rouge-2, rouge-l", "The F1 of each."),
    Equivalent("ExactMatch", "exact"),
    Equivalent("StringPresence", "contains"),
    Equivalent("ToolCallAccuracy", "tool-calls", "Pass or fail; graded: F1."),
    Equivalent("ToolCallF1", "tool-calls", "`graded = true`."),
    Equivalent("AgentGoalAccuracyWithReference", "judge: task-success"),
    Equivalent("TopicAdherenceScore, AspectCritic, SimpleCriteriaScore", "rubric, or criteria of a judge"),
    Equivalent("RubricsScore, InstanceRubrics", 'rubric of a judge with scale = "1-5"; rubric of a row'),
    Equivalent("SummarizationScore", "judge: summary-quality"),
    Equivalent("LLMSQLEquivalence", "sql-equal", "Equal after normalisation; no model."),
    Equivalent("DataCompyScore", note="A scorer in Python that runs the query."),
    Equivalent("MultiModalFaithfulness, MultiModalRelevance", "judge: faithfulness, answer-relevance"),
)
"""Metrics."""

# https://www.braintrust.dev/docs/reference/autoevals
AUTOEVALS: Final = (
    Equivalent("ExactMatch", "exact"),
    Equivalent("Levenshtein", "levenshtein-ratio"),
    Equivalent("EmbeddingSimilarity, AnswerSimilarity", "similar", "The cosine, not rescaled from 0.7."),
    Equivalent("NumericDiff", "number", "Passes within a tolerance."),
    Equivalent("JSONDiff", "json-fields", "The share of expected fields; further fields do not count."),
    Equivalent("ValidJSON", "json-valid, json-schema"),
    Equivalent("ListContains", "contains-all", "Pass or fail, not a share."),
    Equivalent("Moderation", "moderation"),
    Equivalent("Factuality", "judge: correctness", "Pass or fail; no partial grades."),
    Equivalent("ClosedQA", "judge: closed-qa"),
    Equivalent("Battle", "judge: pairwise-preference"),
    Equivalent("Summary", "judge: summary-quality"),
    Equivalent("Sql", "sql-equal", "Equal after normalisation; no model."),
    Equivalent("Humor, Possible, Security, Translation, LLMClassifier", "rubric, or criteria of a judge"),
    Equivalent("Faithfulness", "judge: claims"),
    Equivalent("AnswerRelevancy", "judge: answer-relevance"),
    Equivalent("AnswerCorrectness", "judge: answer-correctness", "No embeddings."),
    Equivalent("ContextPrecision", "judge: context-precision"),
    Equivalent("ContextRecall", "judge: context-recall"),
    Equivalent("ContextRelevancy", "judge: context-relevance"),
    Equivalent("ContextEntityRecall", note='Context recall, or contains-all on the context: field = "context".'),
)
"""Scorers."""

TOOLS: Final[Mapping[str, tuple[Equivalent, ...]]] = {
    "promptfoo": PROMPTFOO,
    "pydantic-evals": PYDANTIC_EVALS,
    "deepeval": DEEPEVAL,
    "ragas": RAGAS,
    "autoevals": AUTOEVALS,
}
"""The equivalents by tool."""


def refusals(tool: str) -> dict[str, str]:
    """Return why each check of a tool without an equivalent cannot be translated, and what to do."""
    return {one.theirs: one.note for one in TOOLS[tool] if not one.ours}


def hint_of(name: str) -> str:
    """Return what to write in place of a check of another tool, as the end of a message; empty if none has the name.

    Upper case, ``-``, ``_`` and the suffix ``Metric`` do not matter.
    """
    found = [
        (tool, one)
        for tool, rows in TOOLS.items()
        for one in rows
        if _plain(name) in map(_plain, one.theirs.split(", "))
    ]
    served = {one.ours: tool for tool, one in reversed(found) if one.ours}
    if served:
        meant = " or ".join(dict.fromkeys(_written(ours) for ours in reversed(served)))
        return f"; did you mean {meant}? (for {_tools(found)})"
    if not found:
        return ""
    [(tool, one), *_] = found
    is_sentence = one.note[:1].isupper()  # a note that follows the name begins with a verb
    return f"; {name} of {tool}{': ' if is_sentence else ' '}{one.note[:1].lower()}{one.note[1:]}"


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "").replace("_", "").removesuffix("metric")


def _tools(found: Sequence[tuple[str, Equivalent]]) -> str:
    return " and ".join(dict.fromkeys(tool for tool, one in found if one.ours))


def _written(ours: str) -> str:
    """Return an equivalent as it is written in the configuration."""
    parts = []
    for group in ours.split("; "):
        if group.startswith("judge: "):
            rubrics = " or ".join(f'"{rubric}"' for rubric in group.removeprefix("judge: ").split(", "))
            parts.append(f'{{ judge = "NAME" }}, with rubric = {rubrics} in [judges.NAME]')
        elif group.startswith("rubric"):
            parts.append('{ judge = "NAME" }, with criteria = "..." in [judges.NAME]')
        else:
            parts.append(group)
    return "; ".join(parts)
