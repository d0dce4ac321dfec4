package identity_test

import (
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weft-run/weft/portal/portaltest"
)

// TestLoginTakesAsLong holds the part of promise S8 that is about time: logins
// under a known and an unknown name, in turn, cannot be told apart by a rank
// test. WEFT_TEST_LOGINS=1000 is the full size; a few tell a missing password
// check, which makes an unknown name many times faster.
func TestLoginTakesAsLong(t *testing.T) {
	p := serve(t)
	p.SignUp(t, "known@example.com")
	logins := 40
	if text := os.Getenv("WEFT_TEST_LOGINS"); text != "" {
		var err error
		if logins, err = strconv.Atoi(text); err != nil {
			t.Fatalf("WEFT_TEST_LOGINS: %v", err)
		}
	}
	agent := portaltest.NewAgent(t, p.URL)
	try := func(name string) float64 {
		p.Clock.Advance(2 * time.Hour) // failures are forgotten
		start := time.Now()
		answer := agent.JSON(t, "/login", map[string]string{"user": name, "password": "wrong password"})
		if answer.Status != 401 {
			t.Fatalf("login: %d %s", answer.Status, answer.Body)
		}
		return time.Since(start).Seconds()
	}
	var known, unknown []float64
	for range logins {
		known = append(known, try("known@example.com"))
		unknown = append(unknown, try("unknown@example.com"))
	}
	z := rankTest(known, unknown)
	t.Logf("medians: known %.1f ms, unknown %.1f ms; z = %.2f", 1000*median(known), 1000*median(unknown), z)
	// |z| > 4 happens once in 15,000 runs by chance.
	if math.Abs(z) > 4 {
		t.Errorf("logins can be told apart: z = %.2f", z)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// rankTest is the Mann-Whitney test's z: how far from chance it is that values
// of one list are larger than those of the other.
func rankTest(a, b []float64) float64 {
	u := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}
