package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// load is the outcome of one round of requests.
type load struct {
	PerSecond float64
	P50, P99  time.Duration
	Failed    int
}

// postScript makes wrk send the benchmark's body with the headers given.
const postScript = `wrk.method = "POST"
wrk.body = '{"input":"Ada"}'
wrk.headers["Content-Type"] = "application/json"
`

// connections of one round, kept alive.
const connections = 16

// drive sends requests to the URL for a time and says what came of it.
func drive(ctx context.Context, url string, headers map[string]string, length time.Duration) (load, error) {
	folder, err := os.MkdirTemp("", "weft-bench")
	if err != nil {
		return load{}, fmt.Errorf("making a folder for the load script: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	script := filepath.Join(folder, "post.lua")
	text := []byte(postScript)
	for name, value := range headers {
		text = fmt.Appendf(text, "wrk.headers[%q] = %q\n", name, value)
	}
	if err := os.WriteFile(script, text, 0o600); err != nil {
		return load{}, fmt.Errorf("writing the load script: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c", strconv.Itoa(connections),
		"-d", fmt.Sprintf("%ds", int(length.Seconds())), "--latency", "-s", script, url).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("running wrk (apt-get install wrk): %w: %s", err, out)
	}
	return parseLoad(string(out))
}

var (
	perSecondLine = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	percentile    = regexp.MustCompile(`(50|99)%\s+([0-9.]+)(us|ms|s)`)
	failedLine    = regexp.MustCompile(`Non-2xx or 3xx responses: ([0-9]+)`)
	socketLine    = regexp.MustCompile(`Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)`)
)

func parseLoad(out string) (load, error) {
	match := perSecondLine.FindStringSubmatch(out)
	if match == nil {
		return load{}, fmt.Errorf("wrk printed no rate: %s", out)
	}
	result := load{}
	var err error
	if result.PerSecond, err = strconv.ParseFloat(match[1], 64); err != nil {
		return load{}, fmt.Errorf("reading wrk's rate: %w", err)
	}
	for _, p := range percentile.FindAllStringSubmatch(out, -1) {
		length, err := time.ParseDuration(p[2] + p[3])
		if err != nil {
			return load{}, fmt.Errorf("reading wrk's latency: %w", err)
		}
		if p[1] == "50" {
			result.P50 = length
		} else {
			result.P99 = length
		}
	}
	for _, pattern := range []*regexp.Regexp{failedLine, socketLine} {
		if match := pattern.FindStringSubmatch(out); match != nil {
			for _, count := range match[1:] {
				n, err := strconv.Atoi(count)
				if err != nil {
					return load{}, fmt.Errorf("reading wrk's errors: %w", err)
				}
				result.Failed += n
			}
		}
	}
	return result, nil
}
