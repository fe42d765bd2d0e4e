package snowfake

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// The shapes of the protocol. They rest on what the driver reads (gosnowflake v2.1.0, auth.go, query.go, restful.go) and on the
// recorded answers in its test_data/wiremock/mappings. A "driver" in the comments of this package is that version.

// reply is the envelope of every answer. Snowflake's null code and message of a success are absent here: the driver reads both as "".
type reply struct {
	Data    any    `json:"data"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Success bool   `json:"success"`
}

// The codes that the driver branches on (errors.go, lines 76-81), those of tokens (https://github.com/snowflakedb/gosnowflake/issues/160;
// snowflake-connector-nodejs, lib/constants/gs_errors.js), and those of logins (the recorded answers).
const (
	codeNotExecuting    = "000605"
	codeCanceled        = "000604"
	codeInProgress      = "333333"
	codeInProgressAsync = "333334"
	codeBadPassword     = "390100"
	codeTokenInvalid    = "390104"
	codeSessionGone     = "390111"
	codeSessionExpired  = "390112"
	codeMasterExpired   = "390114"
	codeJWTInvalid      = "390144"
	codeOAuthInvalid    = "390303"
	codePATInvalid      = "394400"
)

// loginBody is the body of a login (auth.go, authRequestData).
type loginBody struct {
	Data struct {
		AccountName       string         `json:"ACCOUNT_NAME"`
		LoginName         string         `json:"LOGIN_NAME"`
		Password          string         `json:"PASSWORD"`
		Authenticator     string         `json:"AUTHENTICATOR"`
		Token             string         `json:"TOKEN"`
		Provider          string         `json:"PROVIDER"`
		SessionParameters map[string]any `json:"SESSION_PARAMETERS"`
		Environment       struct {
			OAuthType string `json:"OAUTH_TYPE"`
		} `json:"CLIENT_ENVIRONMENT"`
	} `json:"data"`
}

type nameValue struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// loginData answers a login (auth.go, authResponseMain). Validities are in seconds.
type loginData struct {
	Token          string      `json:"token"`
	Validity       int64       `json:"validityInSeconds"`
	MasterToken    string      `json:"masterToken"`
	MasterValidity int64       `json:"masterValidityInSeconds"`
	DisplayUser    string      `json:"displayUserName"`
	ServerVersion  string      `json:"serverVersion"`
	SessionID      int64       `json:"sessionId"`
	Parameters     []nameValue `json:"parameters"`
	SessionInfo    sessionInfo `json:"sessionInfo"`
}

type sessionInfo struct {
	Database  string `json:"databaseName,omitempty"`
	Schema    string `json:"schemaName,omitempty"`
	Warehouse string `json:"warehouseName,omitempty"`
	Role      string `json:"roleName,omitempty"`
}

// renewBody asks for a new session token, renewData answers (restful.go, renewRestfulSession).
type renewBody struct {
	OldToken string `json:"oldSessionToken"`
	Type     string `json:"requestType"`
}

type renewData struct {
	SessionToken   string `json:"sessionToken"`
	Validity       int64  `json:"validityInSecondsST"`
	MasterToken    string `json:"masterToken"`
	MasterValidity int64  `json:"validityInSecondsMT"`
	SessionID      int64  `json:"sessionId"`
}

// queryBody is a statement (query.go, execRequest).
type queryBody struct {
	SQL          string                 `json:"sqlText"`
	Async        bool                   `json:"asyncExec"`
	DescribeOnly bool                   `json:"describeOnly"`
	Parameters   map[string]any         `json:"parameters"`
	Bindings     map[string]bindingBody `json:"bindings"`
	BindStage    string                 `json:"bindStage"`
}

type bindingBody struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// progressData says where the result of a statement will be (query.go, "ping pong response data").
type progressData struct {
	QueryID   string `json:"queryId"`
	ResultURL string `json:"getResultUrl"`
	Aborts    int64  `json:"queryAbortsAfterSecs"`
}

// errorData goes with a statement's error.
type errorData struct {
	QueryID   string `json:"queryId"`
	SQLState  string `json:"sqlState"`
	ErrorCode string `json:"errorCode"`
}

type resultColumn struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Precision int    `json:"precision"`
	Scale     int    `json:"scale"`
	Length    int    `json:"length"`
	Nullable  bool   `json:"nullable"`
}

// resultData is the result of a statement, whole (query.go, execResponseData). Results are never cut into chunks.
type resultData struct {
	RowType         []resultColumn `json:"rowtype"`
	RowSet          [][]*string    `json:"rowset"`
	Total           int            `json:"total"`
	Returned        int            `json:"returned"`
	QueryID         string         `json:"queryId"`
	Database        string         `json:"finalDatabaseName,omitempty"`
	Schema          string         `json:"finalSchemaName,omitempty"`
	Warehouse       string         `json:"finalWarehouseName,omitempty"`
	Role            string         `json:"finalRoleName,omitempty"`
	StatementTypeID int64          `json:"statementTypeId"`
	Version         int            `json:"version"`
	Format          string         `json:"queryResultFormat"`
}

// uploadData answers a PUT: what the driver is to send, and where to (file_transfer_agent.go, parseCommand and initFileMetadata).
type uploadData struct {
	QueryID            string              `json:"queryId"`
	Command            string              `json:"command"`
	Sources            []string            `json:"src_locations"`
	Parallel           int                 `json:"parallel"`
	AutoCompress       bool                `json:"autoCompress"`
	Overwrite          bool                `json:"overwrite"`
	SourceCompression  string              `json:"sourceCompression"`
	StageInfo          stageInfo           `json:"stageInfo"`
	EncryptionMaterial *encryptionMaterial `json:"encryptionMaterial,omitempty"`
}

type stageInfo struct {
	LocationType    string     `json:"locationType"`
	Location        string     `json:"location"`
	Region          string     `json:"region,omitempty"`
	ClientEncrypted bool       `json:"isClientSideEncrypted"`
	Creds           stageCreds `json:"creds"`
}

type stageCreds struct {
	KeyID  string `json:"AWS_KEY_ID,omitempty"`
	Secret string `json:"AWS_SECRET_KEY,omitempty"`
	Token  string `json:"AWS_TOKEN,omitempty"`
}

// encryptionMaterial is the key that wraps each file's own (encrypt_util.go, snowflakeFileEncryption).
type encryptionMaterial struct {
	MasterKey string `json:"queryStageMasterKey"`
	QueryID   string `json:"queryId"`
	SMKID     int64  `json:"smkId"`
}

// monitoringData is the state of one statement (async.go via monitoring.go, statusResponse).
type monitoringData struct {
	Queries []monitored `json:"queries"`
}

type monitored struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	SQL          string `json:"sqlText"`
	StartTime    int64  `json:"startTime"`
	EndTime      int64  `json:"endTime"`
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
}

func succeed(data any) reply { return reply{Data: data, Success: true} }

func refuse(code, message string) reply { return reply{Code: code, Message: message} }

func respond(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may be gone: its own affair
}
