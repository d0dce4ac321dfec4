package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	minimal := map[string]string{
		"WEFT_GATEWAY_URL": "https://flows.example.com/", "WEFT_RUNTIME_IMAGE": "weft/runtime:1",
		"WEFT_SYSTEM_NAMESPACE": "weft-system",
	}
	want := config{
		GatewayURL: "https://flows.example.com", RuntimeImage: "weft/runtime:1", SystemNamespace: "weft-system",
		VaultURL: "http://weft-portal.weft-system.svc", MetricsListen: ":9090", Concurrency: 8,
	}
	cases := map[string]struct {
		reason string
		args   []string
		env    map[string]string
		want   config
		err    string
	}{
		"Environment": {
			reason: "the environment is enough, and everything else has a default",
			env:    minimal,
			want:   want,
		},
		"FlagsWin": {
			reason: "a flag wins over the environment",
			args:   []string{"--metrics-listen=:1", "--leader-elect", "--concurrency=3", "--vault-url=http://v/"},
			env:    minimal,
			want: config{
				GatewayURL: want.GatewayURL, RuntimeImage: want.RuntimeImage, SystemNamespace: want.SystemNamespace,
				VaultURL: "http://v", MetricsListen: ":1", Concurrency: 3, LeaderElect: true,
			},
		},
		"Nothing": {
			reason: "what has no safe default must be given",
			err:    "runtime-image is not set",
		},
		"BadURL": {
			reason: "an address without a scheme would end up in every status",
			args:   []string{"--gateway-url=flows.example.com"},
			env:    minimal,
			err:    "gateway-url",
		},
		"Password": {
			reason: "an address with a password in it would end up in every status",
			args:   []string{"--gateway-url=https://me:secret@flows.example.com"},
			env:    minimal,
			err:    "gateway-url",
		},
		"Concurrency": {
			reason: "concurrency is bounded",
			args:   []string{"--concurrency=100000"},
			env:    minimal,
			err:    "not between",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseConfig(tc.args, func(key string) string { return tc.env[key] })
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("%s\nerror %v, want one with %q", tc.reason, err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
