package vault

import (
	"strings"

	"github.com/weft-run/weft/portal/names"
	"github.com/weft-run/weft/runtime/catalog"
)

const (
	maxReference = 63
	// minForLast4 keeps the last four characters from being most of the key.
	minForLast4 = 16
)

// providerOther stands for a key of unknown shape.
const providerOther = "other"

// guessProvider knows some providers by the shape of their keys.
func guessProvider(value catalog.Secret) string {
	// The first that fits counts.
	for _, shape := range []struct{ prefix, provider string }{
		{"sk-ant-", "anthropic"},
		{"sk-or-", "openrouter"},
		{"sk-", "openai"},
		{"AIza", "google"},
		{"gsk_", "groq"},
		{"hf_", "huggingface"},
		{"xox", "slack"},
		{"SG.", "sendgrid"},
		{"shpat_", "shopify"},
	} {
		if strings.HasPrefix(value.Reveal(), shape.prefix) {
			return shape.provider
		}
	}
	return providerOther
}

func last4(value catalog.Secret) string {
	runes := []rune(value.Reveal())
	if len(runes) < minForLast4 {
		return ""
	}
	return string(runes[len(runes)-4:])
}

// reference makes the name by which flows refer to a key.
func reference(title string) string {
	if name := names.Slug(title, maxReference); name != "" {
		return name
	}
	return "key"
}
