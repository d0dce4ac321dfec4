package identity

import (
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

type refreshRequest struct {
	RefreshToken string `json:"refreshToken" weft:"secret"`
}

// Refreshed is the answer to a refresh: the old refresh token is used up.
type Refreshed struct {
	Success      string `json:"success"`
	JWT          string `json:"jwt"`
	RefreshToken string `json:"refreshToken"`
}

func (h handlers) refresh(w http.ResponseWriter, r *http.Request) error {
	request, err := server.Bind[refreshRequest](r)
	if err != nil {
		return err
	}
	old, err := base64.RawURLEncoding.Strict().DecodeString(request.RefreshToken)
	if err != nil || len(old) != secretBytes {
		return unauthorized()
	}
	next := random(secretBytes)
	session, err := h.Store.RotateRefresh(r.Context(), digest(old), digest(next), h.Now())
	switch {
	case errors.Is(err, store.ErrReused):
		h.Service.cache.revoke(r.Context(), session.ID)
		return unauthorized()
	case errors.Is(err, store.ErrNotFound):
		return unauthorized()
	case err != nil:
		return err
	}
	token, err := h.Service.tokens.mint(subjectOf(session), h.Now())
	if err != nil {
		return err
	}
	return server.JSON(w, http.StatusOK, Refreshed{Success: success, JWT: token, RefreshToken: refreshText(next)})
}
