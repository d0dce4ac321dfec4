package fake

import "slices"

// The models. The first two answer; each of the others does one thing wrong.
const (
	// Model answers "You said: " and the last message of the user.
	Model = "gpt-4o-mini"
	// ModelLarge answers the same.
	ModelLarge = "gpt-4o"
	// RateLimited answers 429 with Retry-After: 1.
	RateLimited = "test-429"
	// RateLimitedOnce answers 429 to every other request, beginning with the
	// first.
	RateLimitedOnce = "test-429-once"
	// NoCredit answers 429 as an account without credit gets it.
	NoCredit = "test-no-credit"
	// Failing answers 500.
	Failing = "test-500"
	// WrongKey answers 401 whatever the key.
	WrongKey = "test-wrong-key"
	// TooLong answers 400 as for a prompt that is longer than the model takes.
	TooLong = "test-too-long"
	// EchoKey answers 400 with the key in the message.
	EchoKey = "test-echo-key"
	// EchoKeyInAnswer answers with the key in the text.
	EchoKeyInAnswer = "test-echo-key-answer"
	// Slow waits between the pieces of its answer, and answers otherwise like
	// Model.
	Slow = "test-slow"
	// Endless streams without end.
	Endless = "test-endless"
	// Broken breaks off in the middle of the stream.
	Broken = "test-broken"
	// BrokenByError sends an error in the middle of the stream.
	BrokenByError = "test-broken-error"
	// Garbage answers 200 with a web page.
	Garbage = "test-garbage"
	// Embedding is the model of /v1/embeddings.
	Embedding = "text-embedding-3-small"
)

// Models returns the names of all models, sorted.
func Models() []string {
	names := []string{
		Model, ModelLarge, RateLimited, RateLimitedOnce, NoCredit, Failing, WrongKey, TooLong, EchoKey,
		EchoKeyInAnswer, Slow, Endless, Broken, BrokenByError, Garbage, Embedding,
	}
	slices.Sort(names)
	return names
}
