package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// parseDSN reads a connection string: keywords and values, or a URL; several hosts, and TLS, as libpq has
// them.
//
// Statements are sent unprepared: a pooler in transaction mode gives the next one to another session, and
// a plan that is kept for later has to serve every time span, for which the server looks at every partition
// there is. Of several hosts the one is taken that can be written to, unless the string says otherwise.
func parseDSN(dsn string) (*pgx.ConnConfig, error) {
	return parseDSNFor(dsn, pgconn.ValidateConnectTargetSessionAttrsReadWrite)
}

// parseDSNFor reads a connection string. Of several hosts one is taken that suits, unless the string says which.
func parseDSNFor(dsn string, suits pgconn.ValidateConnectFunc) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: connection string: %w", err) // pgx leaves the password out
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
	if len(c.Fallbacks) > 0 && c.ValidateConnect == nil {
		c.ValidateConnect = suits
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeoutDefault
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "tidegate"
	}
	return c, nil
}

// Connect connects for reading, directly or through PgBouncer in transaction mode: nothing is prepared, and
// nothing is asked of the session beyond a transaction.
func Connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return connect(ctx, c)
}

// connectTimeoutDefault is how long a host may take to answer if the string does not say: one that is cut off
// does not refuse.
const connectTimeoutDefault = 10 * time.Second

func connect(ctx context.Context, c *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, &connectError{c.User, c.Database, err}
	}
	return conn, nil
}

// A connectError says in one line why there is no connection. pgx has a line for each address, for each of them with
// TLS and without, and the address thrice in each.
type connectError struct {
	user, database string
	err            error
}

func (e *connectError) Unwrap() error { return e.err }

// attempt is how pgx tells what came of one address.
var attempt = regexp.MustCompile(`^(\S+) \(.*?\): (?:dial error: (?:dial \S+ \S+: )?)?(.*)$`)

// Error has each cause once.
func (e *connectError) Error() string {
	cause := e.err
	if c := (*pgconn.ConnectError)(nil); errors.As(e.err, &c) {
		cause = c.Unwrap()
	}
	var causes []string
	for line := range strings.Lines(cause.Error()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "hostname resolving error: ")
		line = attempt.ReplaceAllString(line, "$1: $2")
		if line != "" && !slices.Contains(causes, line) {
			causes = append(causes, line)
		}
	}
	return fmt.Sprintf("postgres: connect to database %s as %s: %s", e.database, e.user, strings.Join(causes, "; "))
}

// code returns the SQLSTATE of an error of the server, "" for other errors.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// States that the sink tells apart.
const (
	stateUniqueViolation = "23505"
	stateUndefinedSchema = "3F000"
)

// doubled makes the violation of a unique key an error that wraps ErrConflict.
func doubled(err error) error {
	if code(err) == stateUniqueViolation {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

// hopeless reports whether trying again cannot help until somebody has changed something: the server
// refuses the password, the role, the database, the right to do it, or a tablespace that it does not have.
func hopeless(err error) bool {
	c := code(err)
	return strings.HasPrefix(c, "28") || slices.Contains([]string{"3D000", "42501", "42704", stateUndefinedSchema}, c) ||
		errors.Is(err, ErrSchema) || errors.Is(err, ErrConflict)
}

// ErrStandbys is wrapped by the error about a server that does not wait for the standbys that are wanted.
var ErrStandbys = errors.New("too few synchronous standbys")

// checkStandbys asks whether the server waits for as many standbys as are wanted, and whether they are there.
func checkStandbys(ctx context.Context, conn *pgx.Conn, want int) error {
	if want == 0 {
		return nil
	}
	var names string
	var streaming, hidden int
	err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_standby_names'),
		(SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming'),
		(SELECT count(*) FROM pg_stat_replication WHERE state IS NULL)`).Scan(&names, &streaming, &hidden)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: ask for standbys: %w", err)
	case waitsFor(names) < want:
		return fmt.Errorf("postgres: %w: synchronous_standby_names is %q, which waits for %d; %d wanted", ErrStandbys, names, waitsFor(names), want)
	case streaming+hidden < want:
		return fmt.Errorf("postgres: %w: %d of synchronous_standby_names %q are connected; %d wanted", ErrStandbys, streaming, names, want)
	case streaming < want:
		return fmt.Errorf("postgres: %w: the role may not see the state of standbys: grant pg_monitor to it", ErrStandbys)
	}
	return nil
}

var standbyNames = regexp.MustCompile(`(?i)^\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(`)

// waitsFor returns how many standbys a commit waits for by synchronous_standby_names: "FIRST 2 (a, b, c)",
// "ANY 1 (*)", or a list, of which it waits for one.
func waitsFor(names string) int {
	if strings.TrimSpace(names) == "" {
		return 0
	}
	if m := standbyNames.FindStringSubmatch(names); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			return n
		}
	}
	return 1
}
