// Package llm speaks to language models. There is one interface, Model; OpenAI
// implements it for every service that speaks OpenAI's protocol, and Practice
// without any service.
package llm

import "context"

// Role says whose words a message holds.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one turn of a conversation.
type Message struct {
	Role Role
	Text string
}

// Request asks a model for the next turn.
type Request struct {
	// Model is the service's name for the model.
	Model    string
	Messages []Message
	// Temperature between 0 and 2; nil leaves it to the service.
	Temperature *float64
	// MaxOutputTokens caps the answer; 0 leaves it to the service.
	MaxOutputTokens int
}

// Delta is a piece of an answer, in the order in which it comes.
type Delta struct {
	// Text to append to the answer.
	Text string
}

// Usage counts tokens.
type Usage struct {
	Input  int64
	Output int64
}

// Total of input and output.
func (u Usage) Total() int64 { return u.Input + u.Output }

// Answer is a whole answer.
type Answer struct {
	Text  string
	Usage Usage
	// Cut: the answer ends early because it reached the cap of tokens.
	Cut bool
}

// Model answers requests. Implementations are safe for concurrent use.
type Model interface {
	// Stream asks for an answer and hands over its pieces while they come. It
	// returns soon after ctx ends. Errors are *catalog.Error, in plain words,
	// and hold neither the key nor anything that the service said.
	Stream(ctx context.Context, req Request, emit func(Delta)) (Answer, error)
}
