package catalog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/weft-run/weft/runtime/catalog"
)

// holder has the secret where fmt reaches it by reflection only.
type holder struct{ key catalog.Secret }

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const value = "sk-very-secret"
	secret := catalog.NewSecret(value)
	printed := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"} {
		printed["fmt "+verb] = fmt.Sprintf(verb, secret)
		printed["fmt in a struct "+verb] = fmt.Sprintf(verb, holder{key: secret})
		printed["fmt behind a pointer "+verb] = fmt.Sprintf(verb, &holder{key: secret})
	}
	encoded, err := json.Marshal(map[string]any{"key": secret})
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	printed["JSON"] = string(encoded)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("using", "key", secret, "holder", holder{key: secret})
	printed["slog"] = log.String()
	printed["error"] = fmt.Errorf("calling with %v: %w", secret, &catalog.Error{Code: "Upstream", Message: "failed"}).Error()
	for way, text := range printed {
		if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
			t.Errorf("the value leaks by %s: %s", way, text)
		}
	}
	if secret.Reveal() != value || secret.Empty() {
		t.Error("Reveal must give the value back")
	}
	if !(catalog.Secret{}).Empty() {
		t.Error("a zero Secret is empty")
	}
}
