package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// managementClient asks the management port of a running agent, for the commands.
type managementClient struct {
	addr      string // host:port or unix:///path
	tokenFile string
	timeout   time.Duration
}

const maxAnswer = 64 << 20

// managementFlags are those of every command that asks a running agent.
func (c *managementClient) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	addr := os.Getenv("MOTAND_MANAGEMENT")
	if addr == "" {
		addr = "127.0.0.1:8002"
	}
	f.StringVarP(&c.addr, "management", "m", addr, "management port of the agent: host:port or unix:///path; also $MOTAND_MANAGEMENT")
	f.StringVar(&c.tokenFile, "token-file", os.Getenv("MOTAND_TOKEN_FILE"), "file with the agent's token, where it wants one; also $MOTAND_TOKEN_FILE")
	f.DurationVarP(&c.timeout, "timeout", "t", 10*time.Second, "how long to wait for an answer")
}

// managementError is an answer that is none of success.
type managementError struct {
	status int
	text   string
}

func (e *managementError) Error() string {
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return fmt.Sprintf("the agent refuses: %s (name its token with --token-file)", e.text)
	}
	return fmt.Sprintf("the agent answers %d: %s", e.status, e.text)
}

// open sends a request and returns the body of a good answer, which the caller closes.
func (c *managementClient) open(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	host, dial := c.addr, &net.Dialer{}
	transport := &http.Transport{DisableKeepAlives: true}
	if path, ok := strings.CutPrefix(c.addr, "unix://"); ok {
		host = "localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial.DialContext(ctx, "unix", path) }
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, body)
	if err != nil {
		return nil, fmt.Errorf("--management %q: %w; it is host:port or unix:///path", c.addr, err)
	}
	if c.tokenFile != "" {
		token, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	a, err := transport.RoundTrip(r)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return nil, fmt.Errorf("no agent at %s: %w; is motand running, and is this its management port (motan-agent.mport)?", c.addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the agent at %s: %w", c.addr, err)
	}
	if a.StatusCode >= http.StatusMultipleChoices {
		defer a.Body.Close()
		text, err := io.ReadAll(io.LimitReader(a.Body, maxManagementBody))
		var p problem
		if err == nil && json.Unmarshal(text, &p) == nil && p.Error != "" {
			text = []byte(p.Error)
		}
		return nil, &managementError{a.StatusCode, strings.TrimSpace(string(text))}
	}
	return a.Body, nil
}

// ask sends a request and reads the JSON of the answer into value.
func (c *managementClient) ask(ctx context.Context, method, path string, body io.Reader, value any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(value); err != nil {
		return fmt.Errorf("the agent at %s answers %s with something else than JSON: %w", c.addr, path, err)
	}
	return nil
}
