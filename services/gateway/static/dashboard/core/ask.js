// Ask a chatbot something as its owner: the answer as it is written.
import { events } from "/assets/widget/{{version}}/sse.js";
import { ApiError, refusal } from "./api.js";

/** @typedef {{text: string, finishReason?: string, sources?: any[], conversationId?: string, error?: any}} Answer */

/**
 * Raises `ApiError`. @param {string} chatbot @param {string} message
 * @param {(answer: Answer) => void} told with each part @returns {Promise<Answer>}
 */
export async function ask(chatbot, message, told) {
  const response = await fetch(`/api/chat/${chatbot}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ message }),
  }).catch(() => {
    throw new ApiError({ status: 0, code: "offline", message: "The server could not be reached. Check your connection." });
  });
  if (!response.ok) throw await refusal(response, "chat");
  /** @type {Answer} */
  let answer = { text: "" };
  try {
    for await (const { data } of events(response)) {
      if (data === "[DONE]") break;
      const frame = JSON.parse(data);
      answer = { ...answer, ...frame, text: answer.text + frame.text };
      told(answer);
    }
  } catch {
    throw new ApiError({ status: 0, code: "broken", message: "The connection broke off. The whole answer is in the inbox." });
  }
  if (answer.error) throw new ApiError({ status: 500, ...answer.error });
  return answer;
}
