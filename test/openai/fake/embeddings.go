package fake

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"net/http"
)

// Bounds and defaults of embeddings.
const (
	defaultDimensions = 16
	maxDimensions     = 3072
	maxInputs         = 2048
)

type embeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	Dimensions     int             `json:"dimensions"`
	EncodingFormat string          `json:"encoding_format"`
	User           string          `json:"user"`
}

type embeddingObject struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

func (s *server) embeddings(w http.ResponseWriter, r *http.Request) {
	var req embeddingRequest
	if !decode(w, r, &req) {
		return
	}
	inputs, problem := req.inputs()
	if problem != nil {
		fail(w, *problem)
		return
	}
	out := struct {
		Object string            `json:"object"`
		Data   []embeddingObject `json:"data"`
		Model  string            `json:"model"`
		Usage  usage             `json:"usage"`
	}{Object: "list", Model: req.Model}
	for i, input := range inputs {
		out.Data = append(out.Data, embeddingObject{Object: "embedding", Index: i, Embedding: req.encode(Vector(input, req.dimensions()))})
		out.Usage.PromptTokens += len(tokens(input))
	}
	out.Usage.TotalTokens = out.Usage.PromptTokens
	reply(w, http.StatusOK, out)
}

func (r *embeddingRequest) inputs() ([]string, *apiError) {
	if r.Model != Embedding {
		e := unknownModel(r.Model)
		return nil, &e
	}
	var one string
	many := []string{}
	if json.Unmarshal(r.Input, &one) == nil {
		many = append(many, one)
	} else if json.Unmarshal(r.Input, &many) != nil || len(many) == 0 || len(many) > maxInputs {
		e := badRequest("input", "'input' must be a text or a list of up to 2048 texts.")
		return nil, &e
	}
	if r.Dimensions < 0 || r.Dimensions > maxDimensions {
		e := badRequest("dimensions", "'dimensions' must be between 1 and 3072.")
		return nil, &e
	}
	return many, nil
}

func (r *embeddingRequest) dimensions() int {
	if r.Dimensions == 0 {
		return defaultDimensions
	}
	return r.Dimensions
}

func (r *embeddingRequest) encode(vector []float32) any {
	if r.EncodingFormat != "base64" {
		return vector
	}
	var data []byte
	for _, x := range vector {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(data)
}

// Vector is the embedding of a text: of length 1, the same each time, and
// nearer to those of texts that share words with it.
func Vector(text string, dimensions int) []float32 {
	sum := make([]float64, dimensions)
	for _, token := range tokens(text) {
		hash := fnv.New64a()
		if _, err := hash.Write([]byte(token)); err != nil {
			continue
		}
		bits := hash.Sum64()
		for i := range sum {
			bits = bits*6364136223846793005 + 1442695040888963407
			sum[i] += float64(int64(bits)) / math.MaxInt64
		}
	}
	var length float64
	for _, x := range sum {
		length += x * x
	}
	vector := make([]float32, dimensions)
	for i, x := range sum {
		vector[i] = float32(x / math.Max(math.Sqrt(length), math.SmallestNonzeroFloat64))
	}
	return vector
}
