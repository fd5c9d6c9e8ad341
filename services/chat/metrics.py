"""What chat counts. No label names a tenant."""

from prometheus_client import Counter, Gauge, Histogram

from libs.common.telemetry import SECONDS

ANSWERS = Counter("chattery_chat_answers_total", "Answers by how they ended", ["finish"])
RUNNING = Gauge("chattery_chat_answers_running", "Answers being written by this process")
FIRST_TOKEN = Histogram(
    "chattery_chat_first_token_seconds", "From the question to the first words", buckets=SECONDS
)
ESCALATIONS = Counter("chattery_chat_escalations_total", "Conversations passed to people", ["by"])
TOKENS = Counter("chattery_chat_tokens_total", "Tokens of the model", ["kind"])
COST = Counter("chattery_chat_cost_usd_total", "What the model's tokens cost, in US dollars")
LLM_SECONDS = Histogram(
    "chattery_chat_llm_seconds", "One call of the model, to its end", ["outcome"], buckets=SECONDS
)
RETRIEVAL_SECONDS = Histogram(
    "chattery_chat_retrieval_seconds", "Finding passages", ["outcome"], buckets=SECONDS
)
TAKEN_OVER = Counter("chattery_chat_answers_taken_over_total", "Answers of a process that died")
ABSTENTIONS = Counter("chattery_chat_abstentions_total", "Questions the knowledge did not answer")
