package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Hash names the revision of a flow.
func Hash(spec *v1alpha1.FlowSpec) string {
	data, err := json.Marshal(spec)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:5])
}
