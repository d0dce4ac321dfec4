package ai

import (
	"context"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/llm"
)

// PracticeChat stands in for a model while a flow is built.
func PracticeChat() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "practice-chat",
			Title:   "Practice model",
			Group:   catalog.GroupAI,
			Summary: "Answers like a model would, without a key and without cost, to build and try a flow.",
			Help: "No model is asked and nothing leaves Weft. The answer is put together from your prompt, and is the same each time for the same prompt.\n\n" +
				"When the flow does what you want, replace this step by ChatGPT and choose your key. The prompt can stay as it is.",
			Inputs:  chatInputs(),
			Outputs: chatOutputs(),
			Fields:  []catalog.Field{promptField(), systemField(), outputTokensField()},
			Since:   "0.1",
			Examples: []catalog.Example{
				{Title: "Ideas", Params: map[string]any{promptParam: "Give me 3 ideas for a post about winter tyres"}},
				{Title: "A summary of what comes in", Params: map[string]any{promptParam: "Summarize this text:"}},
			},
		},
		Timeout: chatTimeout,
		Run: func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
			return ask(ctx, call, llm.Practice{})
		},
	}
}
