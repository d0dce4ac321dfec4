package ai

import (
	"context"
	"net/url"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
	"github.com/weft-run/weft/runtime/llm"
)

// OpenAIChat asks a model of OpenAI, or of any service that speaks its
// protocol.
func OpenAIChat() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "openai-chat",
			Title:   "ChatGPT",
			Group:   catalog.GroupAI,
			Summary: "Asks ChatGPT, or another model that speaks the same protocol, and gives its answer.",
			Help: "Choose your OpenAI key, write a prompt, and run. The key is made at platform.openai.com under “API keys”, and stays in the vault: nobody can read it again, neither in the flow nor in its results.\n\n" +
				"Many other services speak the same protocol. Set their address under “Service address” and use their key and their names of models, for example `http://ollama.example:11434/v1` for Ollama.",
			Inputs:     chatInputs(),
			Outputs:    chatOutputs(),
			Fields:     openAIFields(),
			Credential: &catalog.CredentialSpec{Provider: "openai", Title: "OpenAI key", Required: true},
			Since:      "0.1",
			Examples: []catalog.Example{
				{Title: "A reply to a customer", Params: map[string]any{
					"model": "gpt-4o-mini", "system": "You answer for a small bicycle shop. Be brief and kind.", promptParam: "Write a reply to this message:",
				}},
				{Title: "The same question each time", Params: map[string]any{"model": "gpt-4o-mini", promptParam: "Give me three ideas for this week's newsletter.", "temperature": 1.2}},
				{Title: "Another service", Params: map[string]any{"model": "llama3.2", promptParam: "Summarize:", "baseURL": "https://llm.example.com/v1"}},
			},
		},
		Timeout:  chatTimeout,
		Validate: validateOpenAI,
		Run:      runOpenAIChat,
	}
}

func openAIFields() []catalog.Field {
	return []catalog.Field{
		{
			Name: "model", Label: "Model", Type: catalog.FieldString, Required: true, Default: "gpt-4o-mini", MaxLength: 200,
			Help: "The service's name for the model.", Placeholder: "gpt-4o-mini",
		},
		promptField(),
		systemField(),
		{
			Name: "temperature", Label: "Creativity", Type: catalog.FieldNumber, Min: param.Bound(0), Max: param.Bound(2), Advanced: true,
			Help: "0 gives the most likely words, 2 the most surprising. Some models do not let you choose.",
		},
		outputTokensField(),
		{
			Name: "baseURL", Label: "Service address", Type: catalog.FieldString, MaxLength: 500, Advanced: true,
			Help: "Only for other services than OpenAI; it usually ends in /v1.", Placeholder: llm.OpenAIBaseURL,
		},
	}
}

func validateOpenAI(p catalog.Params) []catalog.FieldProblem {
	base := param.Text(p, "baseURL")
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return []catalog.FieldProblem{{Field: "baseURL", Message: "must be an address such as https://llm.example.com/v1"}}
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return []catalog.FieldProblem{{Field: "baseURL", Message: "must not hold a user name, a ? or a #; keys belong under Credential"}}
	}
	return nil
}

func runOpenAIChat(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
	return ask(ctx, call, &llm.OpenAI{
		BaseURL: param.Text(call.Params, "baseURL"),
		Key:     call.Credential,
		HTTP:    call.HTTP,
	})
}
