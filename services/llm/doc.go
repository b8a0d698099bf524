// Package llm is the room of the services that answer for language models: what a request
// asks of which model, with which tools that run on the provider's side, and what it cost.
//
// A provider is a protocol: Anthropic's Messages, OpenAI's Responses and Chat Completions,
// Gemini's generateContent. It is spoken at the provider's own hosts, and at the hosts of
// gateways that a rule names. Only agents whose policy has a rule of these words are read
// so; for others a model is a host like any.
//
// It promises that the model, the bound on the answer and the tools that are judged are those
// that the provider reads: a body in which two readers may find different ones has no name.
//
// It does not count what was used against a limit, and reads no answer that is not plain.
package llm
