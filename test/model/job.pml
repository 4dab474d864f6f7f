/*
 * The job as kiln does it, for Spin: two stations with one slot each, two devices, one CA of class
 * "post" (EST), and what can go wrong between two steps of it. test/model/run searches every order of
 * events; the promises I1-I10 are assertions. A step of this model is an atomic step of the program: what
 * one transaction of the records makes durable, or one question to a device or to the CA.
 *
 * model                 program (provision/station/, records below it)
 * --------------------  ------------------------------------------------------------------------------
 * station: row labels   step.c, the table steps[]; job.c walks it
 * IDENTIFY, arrival     step_claim.c judge_identity; slot.c: a slot lives for one attachment
 * CLAIM                 step_claim.c judge_claim, claimed, resume; records_claim.c apply_claim
 * RECOVER               step_claim.c step_recover, step_device.c judge_which_key; recovery.c rows[];
 *                       job_end.c job_end_begin_anew
 * KEYGEN_INTENT         step_device.c intend_keygen; records_job.c apply_intent, before_other
 * KEYGEN, KEYGEN_DONE   step_device.c ask_keygen, judge_keygen
 * REQUEST               step_device.c judge_request; records_step.c apply_request
 * ENROL_INTENT          step_enrol.c intend_enrol; records_job.c before_enrol
 * ENROL_POST            enroller/est.c est_issue: one POST for an intent (test/enroller/test_drops.c)
 * ENROL_ANSWER          step_enrol.c judge_enrol, outcomes[]; records_job.c apply_answer;
 *                       records_step.c apply_enrol
 * INSTALL               step_device.c judge_install
 * INSTALL, readback     step_device.c judge_stored; records_step.c apply_readback
 * PROVE                 step_device.c judge_possession; records_step.c apply_prove
 * FINISH, deliver()     step_claim.c judge_finish; records_job.c apply_end, check_complete, deliver
 * tell()                job.c next_row, leave: the light, the label, the exit code
 * park()                job_end.c must_park, job_end_record; records_job.c apply_park
 * end_job()             job_end.c job_end_record; records_job.c apply_end; records_orphan.c orphan_leftovers
 * reserve(), held       records_order.c
 * crashed:              kill -9 or a power cut: memory is lost, what was committed stays. A commit whose
 *                       answer is lost is a crash after the step, one that never came a crash before it.
 *                       One commit does for several steps that do no harm (job_owed.c): such a crash loses
 *                       them together, which is a crash before the first of them.
 *
 * What is left out: attest (a commit of its own that nothing else depends on), seal, rework, scrap, and 202
 * (an attempt that is asked for again under the same place).
 *
 * A POST that reached the CA counts as issued from then on, at once or later, whether or not its
 * answer comes: `sent` is what may exist there. An answer "rejected" takes it back.
 *
 * -DOWN_RECORDS: each station has records of its own and its own order, as with one SQLite file per
 * station; else both share one database. Promises over two databases are none of the program's.
 * -DSAME_SERIAL: both devices say the same serial.
 * The other -D names are negative controls: each takes one guard out, and must be found. test/model/run
 * says which runs there are.
 *
 * The bounds are counts of faults, of each kind and of all together: a search goes through every
 * combination and every order of so many. Everything else is unbounded.
 */
#ifndef QUOTA
#define QUOTA 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef LOST
#define LOST 2 /* answers of the CA */
#endif
#ifndef UNPLUGS
#define UNPLUGS 2
#endif
#ifndef REFUSALS
#define REFUSALS 1 /* the CA is unreachable, or says no */
#endif
#ifndef KEY_LOSSES
#define KEY_LOSSES 1
#endif
#ifndef CLONES
#define CLONES 1 /* a device makes the key that another one has, or came with a key */
#endif
#ifndef FAULTS
#define FAULTS 3 /* of all kinds together */
#endif
#define ASKS 2 /* of the CA in one passage; step_enrol.c UNKNOWN_ASKS_MAX is 3, which LOST would not reach */

#define NOWHERE 2
#ifdef OWN_RECORDS
#define BOOKS 2
#define BOOK  me
#else
#define BOOKS 1
#define BOOK  0
#endif
#ifdef SAME_SERIAL
#define SERIAL(d) 0
#else
#define SERIAL(d) (d)
#endif
#define J      job[BOOK * 2 + SERIAL(dev)]
#define O      order[BOOK]
#define BIT(a) (1 << (a))
#define HAS(bits, a) (((bits) >> (a)) & 1)
#define COUNT(bits) (HAS(bits, 1) + HAS(bits, 2) + HAS(bits, 3) + HAS(bits, 4) + HAS(bits, 5))
#define ATTEMPTS 5

/* Of a job. What a job has done decides which rows a continued one skips. */
#define NONE 0
#define OPEN 1
#define PARKED 2
#define PASSED 3
#define ENDED 4
#define DID_NOTHING 0
#define DID_KEYGEN 1
#define DID_PROVE 2

/* A row of the tables unit and job, its enrol intents by attempt, and its places in the order. */
typedef Job {
	byte status;
	byte owner;   /* the station that has it */
	byte did;
	bool keygen_intent;
	byte spki;      /* the key of the CSR; 0: none recorded */
	byte attempts;  /* enrol intents so far */
	bool open;      /* the last one has no answer */
	byte possibly;  /* attempts that are possibly-issued */
	byte orphan;    /* attempts that are listed as orphans */
	byte cert;      /* the attempt that brought the recorded certificate */
	byte held;      /* reserved places of the order */
	bool readback;
	bool proof;
	/* Nobody in the program knows: attempts whose POST reached the CA, and for which key. */
	byte sent;
	byte sent_key[ATTEMPTS];
}
typedef Order {
	byte reserved;
	byte issued;
	byte orphaned;
	byte sent; /* certificates that the CA may have issued, over all jobs */
}
Job job[4];
Order order[2];
byte earlier_key[BOOKS * 2]; /* of the newest ended job that made one: records_read.c earlier_key */
#define UNSEEN 1
#define SEEN 2
byte known_keys[BOOKS * 2]; /* table device_key: the keys of a serial, as bits */
byte live_key[BOOKS * 2];   /* of a serial; 0: none */

/* The devices: key (0: none), certificate stored (the key it is of). */
byte at[2] = NOWHERE;
bool fresh[2]; /* arrived, and no job has looked at it yet */
byte key[2];
byte stored[2];
bool gone[2]; /* of a station: the device of its job was pulled */

byte crashes = CRASHES;
byte lost = LOST;
byte unplugs = UNPLUGS;
byte refusals = REFUSALS;
byte key_losses = KEY_LOSSES;
byte clones = CLONES;
byte faults = FAULTS;

#define KEY(d, n)  ((d) * 4 + (n)) /* 1..4 of the first device, 5..8 of the other */
#define OF_OTHER(d, k) ((k) > 0 && ((k) - 1) / 4 != (d))
/* One fault more of a kind, where the run has one left of it and one left of all. */
#define MAY(kind) (faults > 0 && kind > 0)
#define FAULT(kind) faults--; kind--
#define CRASH atomic { MAY(crashes) -> FAULT(crashes); goto crashed }

/* A key is there, the job's where it has one, and (key.duplicate) no other serial's. */
#ifdef NO_KEY_CHECK
#define KEY_IS_NEW true
#else
#define KEY_IS_NEW !HAS(known_keys[BOOK * 2 + 1 - SERIAL(dev)], key[dev] - 1)
#endif
#define CSR_IS_GOOD (key[dev] > 0 && (J.spki == key[dev] || (J.spki == 0 && KEY_IS_NEW)))

/*
 * recovery.c, rows[] for key.existing: refuse. A job with a CSR is bound to its key. Without one, a key that
 * nobody has seen and that our keygen made is replaced or used; of an ended job's, only one whose CSR it showed.
 */
#define EARLIER earlier_key[BOOK * 2 + SERIAL(dev)]
#define IS_RECORDED HAS(known_keys[BOOK * 2 + SERIAL(dev)], key[dev] - 1)
#define MUST_BEGIN_ANEW (J.spki > 0 && key[dev] != J.spki)
#define MUST_REFUSE_KEY (J.spki == 0 && key[dev] > 0 && !J.keygen_intent && \
	!(EARLIER == UNSEEN || (EARLIER == SEEN && IS_RECORDED)))

/* records_order.c order_reserve. */
#define USED (O.reserved + O.issued + O.orphaned)

inline check_order()
{
	/* I6: in the records' own words, and of what the CA may have issued. */
	assert(O.reserved + O.issued + O.orphaned <= QUOTA);
	assert(O.sent <= QUOTA);
}

/* A number that no CSR had: keys that nobody ever saw are all the same. */
#define KNOWN(k) (HAS(known_keys[0], (k) - 1) || HAS(known_keys[1], (k) - 1) || OTHER_BOOK(k))
#ifdef OWN_RECORDS
#define OTHER_BOOK(k) (HAS(known_keys[2], (k) - 1) || HAS(known_keys[3], (k) - 1))
#else
#define OTHER_BOOK(k) false
#endif

inline make_key()
{
	d_step {
		a = 1;
		do
		:: KNOWN(KEY(dev, a)) || key[dev] == KEY(dev, a) -> a++
		:: else -> break
		od;
		assert(a <= 4);
		key[dev] = KEY(dev, a);
		a = 0
	}
}

inline orphan_one(a)
{
	assert(!HAS(J.orphan, a));
#ifndef NO_QUOTA_FOR_REPEAT
	assert(J.held > 0);
	J.held--;
	O.reserved--;
#endif
	O.orphaned++;
	J.orphan = J.orphan | BIT(a);
}

/* orphan_leftovers: every attempt up to `until` that may be issued and has no recorded certificate. */
inline orphan_leftovers(until)
{
#ifndef NO_ORPHAN_ON_LOST_ANSWER
	a = 1;
	do
	:: a <= until ->
		if
		:: a != J.cert && (HAS(J.possibly, a) || (J.open && a == J.attempts)) ->
			orphan_one(a);
			J.possibly = J.possibly & ~BIT(a);
			if
			:: a == J.attempts -> J.open = false
			:: else
			fi
		:: else
		fi;
		a++
	:: else -> break
	od;
	a = 0
#else
	skip
#endif
}

/*
 * I2, of a job that has ended: every certificate that the CA may have made is delivered or listed, as
 * one certificate of one attempt and under its own key.
 */
inline check_accounted()
{
	a = 1;
	do
	:: a < ATTEMPTS ->
		assert(!HAS(J.sent, a) || HAS(J.orphan, a) || (J.status == PASSED && J.cert == a));
		assert(!HAS(J.sent, a) || J.sent_key[a] == J.spki);
		assert(!(HAS(J.orphan, a) && J.status == PASSED && J.cert == a));
		a++
	:: else -> break
	od;
	a = 0
}

/* What was checked once does not change: a job that has ended is one of very few states. */
inline forget()
{
	if
	:: J.keygen_intent -> EARLIER = (J.spki > 0 -> SEEN : UNSEEN)
	:: else
	fi;
	J.owner = 0;
	J.keygen_intent = false;
	J.did = DID_NOTHING;
	J.spki = 0;
	J.attempts = 0;
	J.open = false;
	J.possibly = 0;
	J.orphan = 0;
	J.cert = 0;
	J.readback = false;
	J.proof = false;
	J.sent = 0;
	a = 1;
	do
	:: a < ATTEMPTS -> J.sent_key[a] = 0; a++
	:: else -> break
	od;
	a = 0
}

/* apply_end for "failed" and "refused": leftovers are listed, the places that are left go back. */
inline end_job()
{
	d_step {
		if
		:: J.cert > 0 -> orphan_one(J.cert)
		:: else
		fi;
		orphan_leftovers(J.attempts);
		O.reserved = O.reserved - J.held;
		J.held = 0;
		J.status = ENDED;
		check_accounted();
		check_order();
		forget()
	}
}

inline park()
{
	J.status = PARKED
}

/* apply_claim: open_job, or continue_job. refused is set where this device gets no job. */
inline claim()
{
	d_step {
		refused = false;
		resumed = false;
		if
		:: J.status == PASSED -> refused = true /* claim.passed */
#ifndef NO_BUSY
		:: J.status == OPEN && J.owner != me -> refused = true /* claim.busy */
#else
		:: J.status == OPEN && J.owner != me -> J.owner = me; resumed = true
#endif
#ifdef NO_CONTINUE
		:: J.status == OPEN && J.owner == me -> refused = true
		:: J.status == PARKED ->
#else
		:: J.status == PARKED || (J.status == OPEN && J.owner == me) ->
#endif
			resumed = true;
			J.status = OPEN;
			J.owner = me;
#ifndef NO_PROVE_AFTER_RESUME
			J.readback = false;
			J.proof = false
#endif
		:: J.status == NONE || J.status == ENDED ->
			if
			:: USED >= QUOTA -> refused = true /* claim.quota */
			:: else ->
				J.held = 1;
				O.reserved++;
				J.status = OPEN;
				J.owner = me
			fi
		fi;
		check_order()
	}
}

/* apply_intent, before_enrol. A second attempt takes a second place. */
inline intend_enrol()
{
	d_step {
		refused = false;
#ifdef NO_QUOTA_FOR_REPEAT
		a = 0;
#else
		a = 1 + COUNT(J.possibly) + J.open - J.held;
#endif
		if
		:: USED + a > QUOTA -> refused = true /* claim.quota */
		:: else ->
			O.reserved = O.reserved + a;
			J.held = J.held + a;
			if
			:: J.open -> J.possibly = J.possibly | BIT(J.attempts)
			:: else
			fi;
			J.attempts++;
			assert(J.attempts < ATTEMPTS);
			J.open = true
		fi;
		a = 0;
		check_order()
	}
}

/* The CSR reaches the CA under the attempt that the station counts, which need not be recorded. */
inline post(n)
{
	d_step {
		/* One intent, one certificate: a second one would be accounted for by nothing. */
		assert(!HAS(J.sent, n));
		J.sent = J.sent | BIT(n);
		J.sent_key[n] = key_asked;
		O.sent++;
		check_order()
	}
}

/* apply_end for "passed": check_complete, deliver; the places that are left go back. */
inline deliver()
{
	d_step {
		assert(J.status == OPEN && J.owner == me);
		assert(J.cert > 0 && J.readback && J.proof && !J.open);
		/* I1, I9: no second live key of this serial, and no other serial's key. */
		assert(live_key[BOOK * 2 + SERIAL(dev)] == 0);
		assert(live_key[BOOK * 2 + 1 - SERIAL(dev)] != J.spki);
		live_key[BOOK * 2 + SERIAL(dev)] = J.spki;
		J.status = PASSED;
		J.held--;
		O.reserved--;
		O.issued++;
		orphan_leftovers(J.attempts);
		O.reserved = O.reserved - J.held;
		J.held = 0;
		check_accounted();
		check_order();
		forget()
	}
}

/* A light, a label, an exit code. */
inline tell()
{
	assert(J.status == PASSED); /* I5 */
	assert(proved)              /* I3 */
}

proctype station(byte me)
{
	byte dev;      /* in the slot */
	byte a;        /* of loops */
	byte asks;     /* of the CA, in this passage */
	byte key_asked; /* the CSR's */
	bool resumed, refused;
	bool anew;   /* the job before this one ended in this attachment */
	bool proved; /* nobody in the program knows: the device did sign a nonce of this attachment */

idle:
	atomic {
		dev = 0; asks = 0; key_asked = 0; anew = false;
		resumed = false; refused = false; proved = false;
end_idle:
		if
		:: at[0] == me && fresh[0] -> dev = 0
		:: at[1] == me && fresh[1] -> dev = 1
		fi;
		fresh[dev] = false;
		gone[me] = false
	}

CLAIM:
	if
	:: CRASH
	:: atomic {
		claim();
		if
		:: refused -> goto idle
		:: else
		fi
	   }
	fi;

RECOVER:
	/* Which key it has is asked for where the records have one to compare it with (RECOVERY_ASK_KEY). */
	if
	:: CRASH
	:: atomic { gone[me] -> park(); goto idle }
	:: atomic { !gone[me] && MUST_BEGIN_ANEW -> end_job();
		if
		:: anew -> goto idle
		:: else -> anew = true; goto CLAIM
		fi
	   }
	:: atomic { !gone[me] && MUST_REFUSE_KEY -> end_job(); goto idle }
	:: atomic { !gone[me] && !MUST_BEGIN_ANEW && !MUST_REFUSE_KEY ->
		if
		:: J.cert > 0 -> goto INSTALL
		:: J.cert == 0 && J.spki > 0 -> key_asked = J.spki; goto ENROL_INTENT
		:: J.spki == 0 && J.did == DID_KEYGEN && key[dev] > 0 -> goto REQUEST
		:: J.spki == 0 && !(J.did == DID_KEYGEN && key[dev] > 0)
		fi
	   }
	fi;

KEYGEN_INTENT:
	if
	:: CRASH
	:: J.keygen_intent = true
	fi;

KEYGEN:
	if
	:: CRASH
	:: atomic { gone[me] -> park(); goto idle }
	:: atomic { !gone[me] -> make_key() }
	:: atomic { /* a broken device: it makes the key that another one has */
		!gone[me] && MAY(clones) && key[1 - dev] > 0 && !OF_OTHER(1 - dev, key[1 - dev]) ->
		FAULT(clones);
		key[dev] = key[1 - dev]
	   }
	fi;

KEYGEN_DONE:
	if
	:: CRASH
	:: J.did = DID_KEYGEN
	fi;

REQUEST:
	if
	:: CRASH
	:: atomic { gone[me] -> park(); goto idle }
	:: atomic { /* no key, another one, or key.duplicate: the unit fails */
		!gone[me] && !CSR_IS_GOOD -> end_job(); goto idle
	   }
	:: atomic {
		!gone[me] && CSR_IS_GOOD ->
		key_asked = key[dev];
		J.spki = key[dev];
		known_keys[BOOK * 2 + SERIAL(dev)] =
		    known_keys[BOOK * 2 + SERIAL(dev)] | (1 << (key[dev] - 1))
	   }
	fi;

ENROL_INTENT:
#ifdef NO_INTENT
	if
	:: CRASH
	:: post(J.attempts + 1)
	fi;
#endif
	if
	:: CRASH
	:: atomic {
		intend_enrol();
		if
		:: refused -> end_job(); goto idle
		:: else
		fi
	   }
	fi;

ENROL_POST:
#ifndef NO_INTENT
	if
	:: CRASH
	:: post(J.attempts)
#ifdef TWO_POSTS
	:: atomic { post(J.attempts); post(J.attempts) }
#endif
	:: atomic { /* unreachable, throttled: not sent, which is known */
		MAY(refusals) -> FAULT(refusals);
		J.open = false;
		if
		:: park(); goto idle /* out of patience */
		:: goto ENROL_INTENT /* waited at the door */
		fi
	   }
	fi;
#endif

ENROL_ANSWER:
	if
	:: CRASH
	:: d_step { /* issued, lint passed, recorded; earlier attempts are listed */
		J.cert = J.attempts;
		J.open = false;
		key_asked = 0;
		asks = 0;
		orphan_leftovers(J.attempts - 1);
		check_order()
	   }
	:: atomic { /* rejected, denied: the CA says that it made none */
		MAY(refusals) -> FAULT(refusals);
		J.sent = J.sent & ~BIT(J.attempts);
		J.sent_key[J.attempts] = 0;
		O.sent--;
		J.open = false;
		if
		:: end_job(); goto idle /* rejected: this unit */
		:: park(); goto idle    /* denied: this station */
		fi
	   }
	:: atomic { /* no answer: possibly issued, then the same CSR again, or the unit waits */
		MAY(lost) -> FAULT(lost);
		J.possibly = J.possibly | BIT(J.attempts);
		J.open = false;
		asks++;
		if
		:: asks == ASKS || gone[me] -> park(); goto idle
		:: else
		fi;
#ifdef NEW_KEY_ON_RETRY
		make_key();
		key_asked = key[dev];
		J.spki = key[dev];
#endif
		goto ENROL_INTENT
	   }
	fi;

INSTALL:
	if
	:: CRASH
	:: atomic { gone[me] -> park(); goto idle }
	:: atomic { !gone[me] -> stored[dev] = J.spki; J.readback = true }
	fi;

PROVE:
#ifdef NO_PROVE_AFTER_RESUME
	if
	:: resumed && J.did >= DID_PROVE -> goto FINISH
	:: else
	fi;
#endif
	if
	:: CRASH
	:: atomic { gone[me] -> park(); goto idle }
	:: atomic { /* the key went meanwhile: the signature does not verify */
		!gone[me] && key[dev] != stored[dev] -> end_job(); goto idle
	   }
	:: atomic {
		!gone[me] && key[dev] == stored[dev] ->
		proved = true;
		J.proof = true;
		J.did = DID_PROVE
	   }
	fi;

FINISH:
#ifdef PASS_BEFORE_COMMIT
	tell();
#endif
	if
	:: CRASH
	:: atomic {
		deliver();
#ifndef PASS_BEFORE_COMMIT
		tell();
#endif
		goto idle
	   }
	fi;

crashed:
	/* The station starts again; a device in its slot is one that arrives. */
	atomic {
		if
		:: at[0] == me -> fresh[0] = true
		:: else
		fi;
		if
		:: at[1] == me -> fresh[1] = true
		:: else
		fi;
		goto idle
	}
}

#define FREE(s) (at[0] != (s) && at[1] != (s))
#define WAITS(j) (job[j].status == OPEN || job[j].status == PARKED)

inline take_out(d)
{
	d_step {
		if
		:: at[d] != NOWHERE -> gone[at[d]] = true
		:: else
		fi;
		at[d] = NOWHERE;
		fresh[d] = false
	}
}

inline put_in(d, s)
{
	d_step {
		at[d] = s;
		fresh[d] = true
	}
}

/*
 * What people and the world do. Then it is calm: each device whose job is open comes back once, to the
 * station that has it, and after that every job must have ended (I10) and every certificate be accounted for.
 */
init
{
	byte d, s;
	bool begun;

	atomic {
		/* A device may carry a key that nobody here made. */
		if
		:: MAY(clones) -> FAULT(clones); key[0] = KEY(0, 1)
		:: skip
		fi;
		run station(0);
		run station(1)
	}
	do
	/* The stations are alike: the first device comes to the first one. */
	:: atomic { at[0] == NOWHERE && FREE(0) -> put_in(0, 0); begun = true }
	:: atomic { at[0] == NOWHERE && FREE(1) && begun -> put_in(0, 1) }
	:: atomic { at[1] == NOWHERE && FREE(0) -> put_in(1, 0); begun = true }
	:: atomic { at[1] == NOWHERE && FREE(1) && begun -> put_in(1, 1) }
	:: atomic { MAY(unplugs) && at[0] != NOWHERE -> FAULT(unplugs); take_out(0) }
	:: atomic { MAY(unplugs) && at[1] != NOWHERE -> FAULT(unplugs); take_out(1) }
	:: atomic { MAY(key_losses) && key[0] > 0 -> FAULT(key_losses); key[0] = 0 }
	:: atomic { MAY(key_losses) && key[1] > 0 -> FAULT(key_losses); key[1] = 0 }
	:: atomic {
		faults = 0; crashes = 0; lost = 0; unplugs = 0; refusals = 0; key_losses = 0; clones = 0;
		break
	   }
	od;
	timeout; /* the stations have done what they can with what is in their slots */
	d = 0;
	do
	:: d < BOOKS * 2 ->
		if
		:: WAITS(d) ->
			s = job[d].owner;
			atomic {
				take_out(0);
				take_out(1);
				put_in(d & 1, s)
			}
			timeout;
			assert(!WAITS(d)) /* I10 */
		:: else
		fi;
		d++
	:: else -> break
	od
}
