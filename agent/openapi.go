package agent

import (
	_ "embed" // for openAPI
	"net/http"
)

// openAPI describes /api/v1; a test holds it to the handlers.
//
//go:embed openapi.yaml
var openAPI []byte

func (m *management) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI) // a client that went away is no concern
}
