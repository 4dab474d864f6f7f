-- The records, schema version 1. This is the one schema file: SQLite embeds it, PostgreSQL 15 loads it
-- as it is. So it uses BIGINT, TEXT and BYTEA only (SQLite knows no BYTEA and keeps bytes under it as
-- they are), 0 and 1 for truth, and partial indexes. Triggers have no common form: the engine's file
-- adds those that make event and blob append-only.
--
-- event and blob are what happened. Every other table is a projection of them: kiln verify builds it
-- again from the events, under the same constraints, and compares row by row.

-- number: order over all stations, without gaps. seq: place in the station's own chain.
-- hash = SHA-256(hash of the station's event before, or 32 zero bytes || body), as hex.
-- body is canonical JSON and repeats number (as "record"), station and seq, so that the hash covers them.
CREATE TABLE event (
	number BIGINT NOT NULL PRIMARY KEY CHECK (number > 0),
	station TEXT NOT NULL,
	seq BIGINT NOT NULL CHECK (seq > 0),
	serial TEXT,
	body TEXT NOT NULL,
	hash TEXT NOT NULL CHECK (length(hash) = 64),
	UNIQUE (station, seq)
);
CREATE INDEX event_of_serial ON event (serial, number);

CREATE TABLE blob (
	sha256 TEXT NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
	bytes BYTEA NOT NULL
);

CREATE TABLE profile (
	sha256 TEXT NOT NULL PRIMARY KEY REFERENCES blob (sha256),
	product TEXT NOT NULL,
	version TEXT NOT NULL,
	anchors TEXT REFERENCES blob (sha256)
);

-- A place is reserved by a claim, and by each further enrolment attempt while an earlier one may have
-- been issued. It becomes issued (passed) or orphaned for good, or is released where nothing can have
-- been issued. unasked: certificates beyond what was asked for, which only a faulty CA makes.
CREATE TABLE work_order (
	id TEXT NOT NULL PRIMARY KEY,
	quantity BIGINT NOT NULL CHECK (quantity > 0),
	reserved BIGINT NOT NULL CHECK (reserved >= 0),
	issued BIGINT NOT NULL CHECK (issued >= 0),
	orphaned BIGINT NOT NULL CHECK (orphaned >= 0),
	unasked BIGINT NOT NULL CHECK (unasked >= 0),
	numbered BIGINT NOT NULL CHECK (numbered >= 0 AND numbered <= quantity),
	CONSTRAINT promise_i6 CHECK (reserved + issued + orphaned <= quantity)
);

-- Ordinals of released places; the next claim takes the lowest.
CREATE TABLE spare_ordinal (
	work_order TEXT NOT NULL REFERENCES work_order (id),
	ordinal BIGINT NOT NULL CHECK (ordinal > 0),
	PRIMARY KEY (work_order, ordinal)
);

-- passed: the job whose certificate the unit carries. rework: the event that allows one more claim.
-- scrapped: the event that allows none.
CREATE TABLE unit (
	serial TEXT NOT NULL PRIMARY KEY,
	model TEXT NOT NULL,
	passed BIGINT,
	rework BIGINT REFERENCES event (number),
	scrapped BIGINT REFERENCES event (number)
);

-- number is that of the claim's event. held: places of the order that it still holds as reserved.
-- step: the furthest that was done. readback, proof, statement, cms and jws are of the present
-- attachment: a new claim clears them.
CREATE TABLE job (
	number BIGINT NOT NULL PRIMARY KEY REFERENCES event (number),
	serial TEXT NOT NULL REFERENCES unit (serial),
	station TEXT NOT NULL,
	slot TEXT NOT NULL,
	profile TEXT NOT NULL REFERENCES profile (sha256),
	firmware TEXT,
	lifecycle TEXT,
	work_order TEXT REFERENCES work_order (id),
	ordinal BIGINT,
	held BIGINT NOT NULL CHECK (held >= 0),
	reuse BIGINT NOT NULL CHECK (reuse IN (0, 1)),
	rework BIGINT REFERENCES event (number),
	status TEXT NOT NULL CHECK (status IN ('open', 'parked', 'passed', 'failed', 'refused')),
	resumed BIGINT NOT NULL CHECK (resumed IN (0, 1)),
	opened_at TEXT NOT NULL,
	ended_at TEXT,
	step TEXT,
	csr TEXT REFERENCES blob (sha256),
	spki TEXT,
	certificate TEXT REFERENCES blob (sha256),
	chain TEXT REFERENCES blob (sha256),
	readback TEXT,
	proof BIGINT REFERENCES event (number),
	statement TEXT REFERENCES blob (sha256),
	cms TEXT REFERENCES blob (sha256),
	jws TEXT REFERENCES blob (sha256),
	retry_at BIGINT,
	error TEXT,
	UNIQUE (work_order, ordinal)
);
CREATE INDEX job_of_serial ON job (serial, number);
CREATE UNIQUE INDEX one_open_job ON job (serial) WHERE status IN ('open', 'parked');

-- An intent without an answer when the next one comes: possibly-issued (enrol) or continued (others).
-- A pending enrol that a later attempt asks for again is continued too. "orphaned": listed there.
CREATE TABLE intent (
	job BIGINT NOT NULL REFERENCES job (number),
	kind TEXT NOT NULL CHECK (kind IN ('keygen', 'enrol', 'seal')),
	attempt BIGINT NOT NULL CHECK (attempt > 0),
	state TEXT NOT NULL CHECK (state IN ('open', 'done', 'pending', 'not-sent', 'possibly-issued',
		'rejected', 'continued', 'orphaned')),
	csr TEXT REFERENCES blob (sha256),
	event BIGINT NOT NULL REFERENCES event (number),
	PRIMARY KEY (job, kind, attempt),
	CHECK (kind <> 'enrol' OR csr IS NOT NULL)
);
CREATE UNIQUE INDEX one_open_intent ON intent (job, kind) WHERE state = 'open';

-- Promise I9: a key has one serial for good, and a serial at most one live key.
CREATE TABLE device_key (
	spki TEXT NOT NULL PRIMARY KEY CHECK (length(spki) = 64),
	serial TEXT NOT NULL REFERENCES unit (serial),
	live BIGINT NOT NULL CHECK (live IN (0, 1))
);
CREATE UNIQUE INDEX one_live_key ON device_key (serial) WHERE live = 1;

CREATE TABLE certificate (
	sha256 TEXT NOT NULL PRIMARY KEY REFERENCES blob (sha256),
	job BIGINT NOT NULL UNIQUE REFERENCES job (number),
	attempt BIGINT NOT NULL,
	number TEXT NOT NULL,
	issuer TEXT NOT NULL,
	spki TEXT NOT NULL REFERENCES device_key (spki),
	profile TEXT NOT NULL REFERENCES profile (sha256),
	state TEXT NOT NULL CHECK (state IN ('issued', 'delivered', 'orphaned')),
	UNIQUE (issuer, number)
);
-- Promise I1.
CREATE UNIQUE INDEX one_delivered ON certificate (spki, profile) WHERE state = 'delivered';

-- Promise I3: no nonce serves twice.
CREATE TABLE proof (
	event BIGINT NOT NULL PRIMARY KEY REFERENCES event (number),
	job BIGINT NOT NULL REFERENCES job (number),
	nonce TEXT NOT NULL UNIQUE CHECK (length(nonce) = 64),
	scheme TEXT NOT NULL,
	preimage TEXT NOT NULL REFERENCES blob (sha256),
	signature TEXT NOT NULL REFERENCES blob (sha256),
	certificate TEXT NOT NULL REFERENCES certificate (sha256)
);

-- Promise I2: what exists or may exist at the CA and is on no device. id: digest of the certificate,
-- or of the CSR while the certificate is unknown.
CREATE TABLE orphan (
	event BIGINT NOT NULL REFERENCES event (number),
	job BIGINT NOT NULL REFERENCES job (number),
	attempt BIGINT NOT NULL,
	id TEXT NOT NULL CHECK (length(id) = 64),
	csr TEXT NOT NULL REFERENCES blob (sha256),
	spki TEXT NOT NULL,
	certificate TEXT UNIQUE,
	number TEXT,
	reason TEXT NOT NULL,
	revocation TEXT NOT NULL CHECK (revocation IN ('unrevoked', 'revoked')),
	revoked_by TEXT,
	PRIMARY KEY (event, job, attempt)
);
CREATE INDEX orphan_of_id ON orphan (id);
CREATE INDEX orphan_of_job ON orphan (job);
