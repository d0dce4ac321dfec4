package ai

import (
	"context"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
	"github.com/weft-run/weft/runtime/llm"
)

const (
	chatTimeout = 2 * time.Minute

	maxOutputTokens     = 200_000
	defaultOutputTokens = 4096

	tokensPort  = "tokens"
	promptParam = "prompt"
)

func chatInputs() []catalog.Port {
	return []catalog.Port{{Name: catalog.MainPort, Title: "Text", Type: catalog.Text, Help: "Added below the prompt, or asked by itself where there is no prompt."}}
}

func chatOutputs() []catalog.Port {
	return []catalog.Port{
		{Name: catalog.MainPort, Title: "Answer", Type: catalog.Text, Streams: true, Help: "What the model says."},
		{Name: tokensPort, Title: "Tokens", Type: catalog.Number, Help: "How many tokens the question and the answer took."},
	}
}

func promptField() catalog.Field {
	return catalog.Field{
		Name: promptParam, Label: "Prompt", Type: catalog.FieldText, Template: true,
		Help: "What the model should do. Put values of earlier steps between double braces, such as {{ input }}. " +
			"A prompt without any is followed by what comes in through the connection.",
		Placeholder: "Write a friendly reply to this message:",
	}
}

func systemField() catalog.Field {
	return catalog.Field{
		Name: "system", Label: "Instructions", Type: catalog.FieldText, Template: true, Advanced: true,
		Help:        "Who the model should be and which rules it follows, for every question.",
		Placeholder: "You answer for a small bicycle shop. Be brief and kind.",
	}
}

func outputTokensField() catalog.Field {
	return catalog.Field{
		Name: "maxOutputTokens", Label: "Longest answer", Type: catalog.FieldNumber, Integer: true, Advanced: true,
		Min: param.Bound(1), Max: param.Bound(maxOutputTokens), Default: float64(defaultOutputTokens),
		Help: "In tokens; a token is about three quarters of a word. The answer is cut off there.",
	}
}

// ask puts the question to the model, streams the answer and reports tokens.
func ask(ctx context.Context, call *catalog.Call, model llm.Model) (catalog.Outputs, error) {
	messages, err := conversation(call)
	if err != nil {
		return nil, err
	}
	answer, err := model.Stream(ctx, llm.Request{
		Model:           param.Text(call.Params, "model"),
		Messages:        messages,
		Temperature:     param.Number(call.Params, "temperature"),
		MaxOutputTokens: param.Int(call.Params, "maxOutputTokens"),
	}, func(d llm.Delta) { call.Emit(d.Text) })
	if err != nil {
		return nil, err
	}
	total := answer.Usage.Total()
	call.AddTokens(total)
	return catalog.Outputs{catalog.MainPort: answer.Text, tokensPort: float64(total)}, nil
}

func conversation(call *catalog.Call) ([]llm.Message, error) {
	prompt := promptOf(call)
	if strings.TrimSpace(prompt) == "" {
		return nil, &catalog.Error{
			Code:    v1alpha1.ErrorInvalidInput,
			Message: "There is nothing to ask the model. Write a prompt, or connect a step that gives a text.",
		}
	}
	var messages []llm.Message
	if system := param.Text(call.Params, "system"); system != "" {
		messages = append(messages, llm.Message{Role: llm.System, Text: system})
	}
	return append(messages, llm.Message{Role: llm.User, Text: prompt}), nil
}

// promptOf is the prompt, and below it what comes in, unless the prompt says
// itself by {{ … }} which values it wants and where.
func promptOf(call *catalog.Call) string {
	prompt := param.Text(call.Params, promptParam)
	incoming, _ := call.Inputs[catalog.MainPort].(string)
	switch {
	case incoming == "" || call.Templated[promptParam]:
		return prompt
	case prompt == "":
		return incoming
	}
	return prompt + "\n\n" + incoming
}
