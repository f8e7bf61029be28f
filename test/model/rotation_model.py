#!/usr/bin/env python3
"""Explicit-state model of the rotation protocol of docs/protocol.md.  Python 3, stdlib only.

It is run by hand, not by `npm test`: before a rule is changed, and after it. Where the code in provider/lifecycle and
provider/rotation, the rules in docs/protocol.md and this model differ, one of them is a bug. What it does not know, and
the random sequences of test/random check on the code itself instead, is listed in docs/protocol.md, "What checks the
rules".

HOW TO RUN
  python3 rotation_model.py fixed   [--worlds N] [--depth D] [--secs S] [--start I] [--noRULE ...]
                                     [--cfg default|nograce|replica|noB|lrestore]  (lrestore: an old store+ledger backup comes back)
                                     all recommended rules on; BFS over worlds between runs, every atomic
                                     call a crash point; must print "NO VIOLATION"
  python3 rotation_model.py design   all rules off (the natural reading of the design)
  python3 rotation_model.py ablate [--only RULE]   all rules on but one: a shortest trace for each rule
  python3 rotation_model.py conc [ab|aa]   interleavings of two runs: stacks A||B, or A||A with a broken lock
                                     (--nolease, --nofence, ... = any rule name with 'no' in front switches it off)
  python3 rotation_model.py walk [--secs S] [--seed N]   random deep walks (40 macro steps) with all rules on

READING IT
  A run (pulumi up ...) is a generator; each `yield fn` is one atomic external call on the world; each
  `yield ('c', n, label)` is a free choice of the environment.  A crash after call k = stop there, nothing local
  survives.  `call; reply lost` = crash after the call.  "before call k+1" = "after call k".
  Worlds are hashed between runs; inside a run each path without a crash is executed once and the
  world after each of its calls is a successor (= killed there).  Invariants are checked after EVERY call.
"""
import sys, time, random
from collections import namedtuple, deque

RULES = {
 'mayuse':     'who may use a version is recorded per rollout (hazard set), not "version confirmed once"',
 'rejguard':   'a rejected version is retired by the same rule as a superseded one',
 'rejgrace':   'grace counts from the last moment a version was handed out / labelled, rejected ones too',
 'putoffclear':'promotion clears put-off; retirement re-checks "not active" under CAS',
 'teardown':   'delete() tears down iff this process saw no check/diff/create of the secret (not by incarnation alone)',
 'dueholds':   'a due rotation waits (diff: update/same) while another version is unretired; never throws in create()',
 'comp':       'compromise over an unconfirmed version: finish/return first, never abandon a handed-out version',
 'refepoch':   'the reference natives take changes with every promotion (names the promotion epoch)',
 'rodiff':     'Rollout diff from the ledger (its may-use set != {active}), not from the version it last saw',
 'resume':     'diff() replaces whenever the ledger has an unfinished phase, due or not',
 'tearresume': 'up after a half-killed destroy finishes the teardown, then creates',
 'adoption':   'Rollout confirms natives by what they really use, not by the engine order',
 'takeall':    'update() takes up every unretired non-active version, not only those recorded as put off',
 'retsup':     'return only to a version still "superseded" (not retiring)',
 'fence':      'label moves are fenced by ledger promotion epoch (one CAS), not by expectedActive',
 'lease':      'one writer: run lease in the ledger; a run that finds a live foreign lease stops',
 'reapabandon':'inspect(): live credentials that the ledger calls abandoned/retired are revoked again',
 'ownerhold':  'the owner stack counts as an unconfirmed user from the first version on, until one of its rollouts confirms',
 'residue':    'a rollout that leaves keeps its may-use set as a residue: holds retirement until evidence of non-use / release',
 'rebind':     'adoption evidence contradicting the engine bumps the reference epoch, so that the native is applied again',
 'oldledger':  'a ledger older than the state, or a live/stored version it does not know, stops everything (no issue, retire, roll, reap)',
 'verifyhand': 'a version is verified (login) each time before it is handed out again: adopt, return',
 'tombstone':  'version and incarnation counters never restart, also after a teardown (tombstone)',
 'labelcheck': 'before revoking/disabling v: the current label of every store is read and is not v (else repair, put off)',
}

Led = namedtuple('Led', 'st left active prev p inc phase tgt useA useB conf putoff')
# st[v-1], left[v-1] = promotion epoch at which v last stopped being active
# useA/useB: None = not registered, else frozenset of versions its consumers may use
Eng = namedtuple('Eng', 'cur pend nat ra')      # cur=(v,inc), pend=((v,inc),..), nat=spec ref, ra=last id applied
F = frozenset
FIELDS = ('S rb bak led live store label store2 label2 N CA CB RD RD2 due comp tick vmax lbak').split()

class W:
    __slots__ = FIELDS
    def key(s): return tuple(getattr(s, f) for f in FIELDS)
    @staticmethod
    def of(k):
        w = W()
        for f, v in zip(FIELDS, k): setattr(w, f, v)
        return w

def init():
    w = W()
    w.S = Eng(None, (), None, None); w.rb = None; w.bak = None; w.led = None
    w.live = w.store = w.store2 = w.N = w.CA = w.CB = w.RD = w.RD2 = F()
    w.label = w.label2 = 0; w.due = w.comp = 0; w.tick = 0; w.vmax = (0, 0); w.lbak = None
    return w

class Violation(Exception): pass
class RunFailed(Exception): pass

class Cfg:
    def __init__(s, rules, grace=True, replica=False, B=True, maxv=4, maxinc=8, maxp=7, lrestore=False):
        s.lrestore = lrestore
        s.r = set(rules); s.grace = grace; s.replica = replica; s.B = B
        s.maxv, s.maxinc, s.maxp = maxv, maxinc, maxp

def setv(t, v, x): return t[:v-1] + (x,) + t[v:]

# ---------------------------------------------------------------- invariants, after every call
def check_inv(w, cfg):
    for nm, s in (('native', w.N), ('consumerA', w.CA), ('consumerB', w.CB)):
        for v in s:
            if v not in w.live: raise Violation(f'I1: {nm} uses v{v}, not live at the issuer')
            if v not in w.store and w.lbak != 'restored': raise Violation(f'I1: {nm} uses v{v}, not in the store')
    if len(w.live) > 2: raise Violation(f'I2: {sorted(w.live)} live')
    if w.lbak == 'restored': return              # restoring the store itself breaks its readers, whatever we do
    for nm, s, st in (() if not cfg.grace else (('reader', w.RD, w.store), ('replica reader', w.RD2, w.store2 if cfg.replica else w.store))):
        for v in s:
            if v <= w.comp: continue                     # compromise: "no grace" is explicit
            if v not in w.live or v not in st: raise Violation(f'I1: {nm} of "current" holds v{v}, dead')
    for lb in (w.label, w.label2 if cfg.replica else 0):
        if lb and lb not in w.live: raise Violation(f'I1: label current -> v{lb}, dead')
    if len(w.live) > 2: raise Violation(f'I2: {sorted(w.live)} live')

# ---------------------------------------------------------------- ledger helpers
def others(L): return [v for v in range(1, len(L.st)+1) if v != L.active and L.st[v-1] in ('superseded', 'rejected', 'retiring')]
def regs(L): return [x for x in (('A', L.useA), ('B', L.useB)) if x[1] is not None and -1 not in x[1]]
def residue(L, v, ctx):                          # -1 = has left; its consumers may still run
    return (L.useA is not None and -1 in L.useA and (v in L.useA or 0 in L.useA) and v in ctx['N'] | ctx['CA']) or \
           (L.useB is not None and -1 in L.useB and (v in L.useB or 0 in L.useB) and v in ctx['CB'])
def leave(L, U, cfg):
    u = getattr(L, U)
    return L._replace(**{U: u | {-1} if 'residue' in cfg.r else None})
def confirmed(L, cfg):
    if not regs(L): return False
    if 'mayuse' in cfg.r: return all(u == F([L.active]) for _, u in regs(L))
    return all((n, L.active) in L.conf for n, _ in regs(L))
def retirable(L, v, ctx, cfg):
    s = L.st[v-1]
    if v == L.active: return 'putoffclear' not in cfg.r and confirmed(L, cfg) and v in L.putoff
    if s == 'retiring': return True
    if s not in ('superseded', 'rejected') or not regs(L) or L.phase != 'confirming': return False
    if residue(L, v, ctx): return False
    nograce = not cfg.grace or v <= ctx['comp']
    if s == 'superseded':
        return confirmed(L, cfg) and (nograce or L.left[v-1] <= ctx['tick'])
    if 'rejguard' in cfg.r:
        free = all(v not in u and 0 not in u for _, u in regs(L)) if 'mayuse' in cfg.r else confirmed(L, cfg)
        if not free: return False
    if 'rejgrace' in cfg.r and not nograce and L.left[v-1] > ctx['tick']: return False
    return True

# ---------------------------------------------------------------- atomic calls
def load():
    def f(w): return (w.led, dict_(w))
    f.n = 'ledger.load'; return f
def dict_(w): return H(tick=w.tick, due=w.due, comp=w.comp, N=w.N, CA=w.CA, CB=w.CB, label=w.label, label2=w.label2, vmax=w.vmax, live=w.live | w.store | w.store2)
class H(dict):
    def __hash__(s): return hash(tuple(s.items()))
def commit(old, new, n):
    def f(w):
        if w.led != old: return False
        w.led = new
        return True
    f.n = 'commit ' + n; return f
def eff(n, fn):
    def f(w): return fn(w)
    f.n = n; return f
def sets(n, **kw):
    def f(w):
        for k, v in kw.items(): setattr(w, k, v)
    f.n = n; return f

class Conflict(Exception): pass
def must(ok):
    if not ok: raise Conflict()

def promote_labels(v, expect, L, cfg):
    """store.promote in the primary, then in the replica. fenced: only if the ledger is still the one we committed."""
    def f1(w):
        if 'fence' in cfg.r:
            if w.led != L: return False
        elif w.label not in (expect, v): return False
        w.label = v
        return True
    f1.n = f'store.promote v{v}'
    ok = yield f1
    must(ok)
    if cfg.replica:
        def f2(w):
            if 'fence' in cfg.r and w.led != L: return False
            w.label2 = v
            return True
        f2.n = f'replica.promote v{v}'
        must((yield f2))

def retire(L, v, cfg):
    if 'labelcheck' in cfg.r:                    # before the point of no return
        lbs = yield eff('read labels', lambda w: (w.label, w.label2 if cfg.replica else w.label))
        if v in lbs and v != L.active:
            yield from promote_labels(L.active, v, L, cfg)
            if L.st[v-1] != 'retiring':
                p = L.p + 1
                must((yield commit(L, L._replace(p=p, left=setv(L.left, v, p)), f'label repaired, grace of v{v} starts again')))
            raise RunFailed('label drift repaired, retirement put off')
    if L.st[v-1] != 'retiring':
        L2 = L._replace(st=setv(L.st, v, 'retiring')); must((yield commit(L, L2, f'retiring v{v}'))); L = L2
    yield eff(f'issuer.revoke v{v}', lambda w: setattr(w, 'live', w.live - {v}))
    yield eff(f'store.retire v{v}', lambda w: setattr(w, 'store', w.store - {v}))
    if cfg.replica: yield eff(f'replica.retire v{v}', lambda w: setattr(w, 'store2', w.store2 - {v}))
    L2 = L._replace(st=setv(L.st, v, 'retired'), putoff=L.putoff - {v})
    must((yield commit(L, L2, f'retired v{v}')))
    return L2

def finish_return(L, cfg, in_create):
    """phase 'returning', tgt = version to go back to."""
    bad = L.active; good = L.tgt
    yield from promote_labels(good, bad, L, cfg)
    p = L.p + 1
    L2 = L._replace(active=good, prev=0, p=p, phase='confirming', tgt=0,
                    st=setv(setv(L.st, bad, 'rejected'), good, 'active'), left=setv(L.left, bad, p),
                    inc=L.inc + (1 if in_create else 0))
    if 'putoffclear' in cfg.r: L2 = L2._replace(putoff=L2.putoff - {good})
    if 'mayuse' in cfg.r and L2.useA is not None: L2 = L2._replace(useA=L2.useA | {good})
    must((yield commit(L, L2, f'returned to v{good}, v{bad} rejected p{p}')))
    return L2

def abandon(L, cfg):
    v = L.tgt
    if L.phase != 'abandon':
        L2 = L._replace(phase='abandon'); must((yield commit(L, L2, f'abandon v{v}'))); L = L2
    yield eff(f'issuer.revoke v{v}', lambda w: setattr(w, 'live', w.live - {v}))
    yield eff(f'store.retire v{v}', lambda w: (setattr(w, 'store', w.store - {v}), setattr(w, 'store2', w.store2 - {v})) and None)
    L2 = L._replace(phase='confirming', tgt=0, st=setv(L.st, v, 'abandoned'))
    must((yield commit(L, L2, f'abandoned v{v}')))
    return L2

def propose(L, cfg):
    v = len(L.st) + 1
    L2 = L._replace(st=L.st + ('pending',), left=L.left + (0,), phase='rot', tgt=v)
    must((yield commit(L, L2, f'proposed v{v}')))
    return L2

def rotate(L, cfg, vfail):
    """phases rot -> promoting -> confirming; resumes from any of them."""
    v = L.tgt
    if L.phase == 'rot':
        yield eff(f'store.put v{v}', lambda w: (setattr(w, 'store', w.store | {v}), setattr(w, 'store2', w.store2 | {v})) and None)
        def iss(w):
            if w.lbak == 'restored' and v in w.live and v in w.N | w.CA | w.CB: raise Violation(f'I1: v{v} issued again over a live credential in use (number re-used)')
            w.live = w.live | {v}
        iss.n = f'issuer.issue v{v}'; yield iss
        if vfail and L.active:
            bad = yield ('c', 2, 'verify')
            if bad:
                yield from abandon(L, cfg)
                raise RunFailed('verification failed')
        L2 = L._replace(phase='promoting'); must((yield commit(L, L2, f'promoting v{v}'))); L = L2
    yield from promote_labels(v, L.active, L, cfg)
    p = L.p + 1; st = setv(L.st, v, 'active'); left = L.left
    if L.active: st = setv(st, L.active, 'superseded'); left = setv(left, L.active, p)
    L2 = L._replace(st=st, left=left, prev=L.active, active=v, p=p, inc=L.inc+1, phase='confirming', tgt=0)
    if 'mayuse' in cfg.r and L2.useA is not None: L2 = L2._replace(useA=L2.useA | {v})
    must((yield commit(L, L2, f'promoted v{v} p{p} #{L2.inc}')))
    return L2

def teardown(L, cfg):
    if L.useB is not None and -1 not in L.useB: raise RunFailed('refused: rollout B registered')
    if L.phase != 'tear':
        L2 = L._replace(phase='tear')
        def f(w):
            if w.led != L: return False
            w.led = L2; w.RD = w.RD2 = w.N = w.CA = F()   # the owner tears down: its own consumers go too
            return True
        f.n = 'commit TEARDOWN'
        must((yield f)); L = L2
    yield eff('labels removed', lambda w: (setattr(w, 'label', 0), setattr(w, 'label2', 0)) and None)
    for v in range(1, len(L.st)+1):
        if L.st[v-1] in ('retired', 'abandoned'): continue
        yield eff(f'issuer.revoke v{v}', lambda w, v=v: setattr(w, 'live', w.live - {v}))
        yield eff(f'store.retire v{v}', lambda w, v=v: (setattr(w, 'store', w.store - {v}), setattr(w, 'store2', w.store2 - {v})) and None)
    def f(w):
        if w.led != L: return False
        w.led = None; w.vmax = (len(L.st), L.inc); w.tick = 0
        return True
    f.n = 'ledger.delete'
    must((yield f))

# ---------------------------------------------------------------- SecretVersion
def decide(L, ctx, cur, forced, ret, cfg):
    if L is None: return 'create'
    if L.phase == 'tear': return 'recreate' if 'tearresume' in cfg.r else ('same' if cur else 'create')
    due = L.active <= ctx['due'] or L.active <= ctx['comp']
    if L.phase != 'confirming':
        if 'resume' in cfg.r or forced or cur is None or L.active <= ctx['due']: return 'resume'
    if cur is None or (L.active, L.inc) != cur: return 'adopt'
    if L.phase == 'confirming':
        if not confirmed(L, cfg) and ret and L.prev and (L.st[L.prev-1] == 'superseded' or 'retsup' not in cfg.r): return 'return'
        oth = others(L)
        if forced or due:
            if confirmed(L, cfg):
                if not oth: return 'rotate'
                if 'dueholds' not in cfg.r or all(retirable(L, v, ctx, cfg) for v in oth): return 'rotate'
                if forced: return 'adopt'
            elif L.active <= ctx['comp'] and 'comp' not in cfg.r and L.prev and L.st[L.prev-1] == 'superseded': return 'abandon-active'
            elif forced: return 'adopt'
        take = oth if 'takeall' in cfg.r else list(L.putoff) + [v for v in oth if L.st[v-1] == 'retiring']
        if any(retirable(L, v, ctx, cfg) for v in take): return 'update'
    return 'same'

def sv_create(cur, forced, ret, cfg, vfail):
    L, ctx = yield load()
    why = decide(L, ctx, cur, forced, ret, cfg)
    if why == 'recreate' or (L is not None and L.phase == 'tear'):
        if 'tearresume' not in cfg.r: raise RunFailed('ledger is being torn down')
        yield from teardown(L, cfg); L, ctx = yield load()
    if L is None:
        n, inc0 = ctx['vmax']
        L0 = Led(('retired',)*n + ('pending',), (0,)*(n+1), 0, 0, 0, inc0 if 'tombstone' in cfg.r else 0, 'rot', n+1, F([0]) if 'ownerhold' in cfg.r else None, None, F(), F())
        must((yield commit(None, L0, f'first: proposed v{n+1}'))); L = L0
    if L.phase == 'abandon':
        L = yield from abandon(L, cfg)
        why = decide(L, ctx, cur, forced, ret, cfg)
    if L.phase == 'rot' and L.tgt <= ctx['comp'] and L.active:
        L = yield from abandon(L, cfg)           # nobody ever got it: safe before 'promoting'
        why = decide(L, ctx, cur, forced, ret, cfg)
    if L.phase in ('rot', 'promoting'):
        L = yield from rotate(L, cfg, vfail); return (L.active, L.inc)
    if L.phase == 'returning':
        L = yield from finish_return(L, cfg, True); return (L.active, L.inc)
    if why == 'return':
        if 'verifyhand' in cfg.r and not (yield eff(f'verify v{L.prev}', lambda w: L.prev in w.live)): raise RunFailed('superseded version is dead')
        L2 = L._replace(phase='returning', tgt=L.prev); must((yield commit(L, L2, 'returning')))
        L = yield from finish_return(L2, cfg, True); return (L.active, L.inc)
    if why == 'abandon-active':                  # design's wording taken literally
        bad, good = L.active, L.prev
        L2 = L._replace(phase='returning', tgt=good); must((yield commit(L, L2, 'returning')))
        L = yield from finish_return(L2, cfg, False)
        L = yield from retire(L, bad, cfg)
        L = yield from propose(L, cfg)
        L = yield from rotate(L, cfg, vfail); return (L.active, L.inc)
    if why == 'rotate':
        for v in others(L):
            if 'dueholds' in cfg.r or retirable(L, v, ctx, cfg) and v in L.putoff: L = yield from retire(L, v, cfg)
            else: raise RunFailed('two versions live, cannot start a third')
        L = yield from propose(L, cfg)
        L = yield from rotate(L, cfg, vfail); return (L.active, L.inc)
    if 'verifyhand' in cfg.r and not (yield eff(f'verify v{L.active}', lambda w: L.active in w.live)): raise RunFailed('active version is dead')
    L2 = L._replace(inc=L.inc+1)
    must((yield commit(L, L2, f'adopted v{L.active} #{L2.inc}')))
    return (L2.active, L2.inc)

def sv_update(cfg):
    L, ctx = yield load()
    if 'reapabandon' in cfg.r:
        pass                                     # see up_A: reaping is done where the run starts
    for v in (others(L) if 'takeall' in cfg.r else sorted(set(L.putoff) | {x for x in others(L) if L.st[x-1] == 'retiring'})):
        if retirable(L, v, ctx, cfg): L = yield from retire(L, v, cfg)

def sv_delete(ent, seen, cfg):
    v, inc = ent
    L, ctx = yield load()
    if L is None: return
    if 'teardown' in cfg.r: td = not seen
    else: td = inc == L.inc or L.phase == 'tear'
    if td:
        if seen: raise Violation(f'I5: teardown of {ent} in an up that still has the secret')
        yield from teardown(L, cfg); return
    if L.phase == 'tear': return
    if v > len(L.st): raise RunFailed('ledger older than the state')
    s = L.st[v-1]
    if s in ('superseded', 'rejected', 'retiring'):
        if retirable(L, v, ctx, cfg): yield from retire(L, v, cfg)
        elif v not in L.putoff: must((yield commit(L, L._replace(putoff=L.putoff | {v}), f'put off v{v}')))

# ---------------------------------------------------------------- Rollout
def ro_run(which, want, cfg, health):
    """create()/update() of a Rollout. which 'A' (has a native dependent) or 'B' (other stack, library-rolled)."""
    U, C = ('useA', 'CA') if which == 'A' else ('useB', 'CB')
    L, ctx = yield load()
    if L is None or L.phase == 'tear': raise RunFailed('no ledger')
    if 'oldledger' in cfg.r and any(v > len(L.st) for v in ctx['live']): raise RunFailed('ledger older than the world')
    if getattr(L, U) is None or -1 in getattr(L, U):   # register first; may use whatever is not yet gone
        allv = F([0])                            # 0 = "anything": registered, not confirmed; blocks every retirement
        L2 = L._replace(**{U: allv | ((getattr(L, U) or F()) - {-1})}); must((yield commit(L, L2, f'register {which}'))); L = L2
    if L.phase != 'confirming' or not L.active: raise RunFailed('not promoted yet')
    if want is not None and want != L.active: raise RunFailed('active moved')
    v = L.active
    if 'oldledger' in cfg.r and not (yield eff(f'verify v{v}', lambda w: v in w.live)): raise RunFailed('active version is dead')
    if 'mayuse' in cfg.r and v not in getattr(L, U):
        L2 = L._replace(**{U: getattr(L, U) | {v}}); must((yield commit(L, L2, f'{which} may use v{v}'))); L = L2
    yield eff(f'roll {which} half v{v}', lambda w: setattr(w, C, getattr(w, C) | {v}))
    yield eff(f'roll {which} all v{v}', lambda w: setattr(w, C, F([v])))
    bad = (yield ('c', 2, f'health {which}')) if health else 0
    if bad:
        L, ctx = yield load()
        if L is None: raise RunFailed('no ledger')
        can = L.active == v and L.phase == 'confirming' and L.prev and \
              (L.st[L.prev-1] == 'superseded' or ('retsup' not in cfg.r and L.st[L.prev-1] in ('retiring', 'retired')))
        if can and not confirmed(L, cfg):
            L2 = L._replace(phase='returning', tgt=L.prev); must((yield commit(L, L2, f'returning (rollout {which} failed)')))
            L = yield from finish_return(L2, cfg, False)
            g = L.active
            if 'mayuse' in cfg.r and g not in getattr(L, U):
                L2 = L._replace(**{U: getattr(L, U) | {g}}); must((yield commit(L, L2, f'{which} may use v{g}'))); L = L2
            yield eff(f'revert {which} to v{g}', lambda w: setattr(w, C, F([g])))
            if which == 'B' and 'mayuse' in cfg.r:
                must((yield commit(L, L._replace(useB=F([g])), f'B back on v{g}')))
        raise RunFailed(f'rollout {which} unhealthy')
    if which == 'A' and 'adoption' in cfg.r:
        n = yield eff('native adoption?', lambda w: w.N)
        if n and n != F([v]):
            if 'rebind' in cfg.r:
                L, ctx = yield load()
                if L is not None and L.phase == 'confirming' and L.active == v: yield commit(L, L._replace(p=L.p+1), 'reference epoch +1 (adoption contradicts the engine)')
            raise RunFailed('native does not use it yet')
    L, ctx = yield load()
    if L is None or L.active != v or L.phase != 'confirming': raise RunFailed('active moved')
    if 'mayuse' in cfg.r: L2 = L._replace(**{U: F([v])})
    else: L2 = L._replace(conf=L.conf | {(which, v)})
    if L2 != L: must((yield commit(L, L2, f'{which} confirms v{v}')))

# ---------------------------------------------------------------- engine
def up_A(mode, cfg, clean=False, ret=False, S=None):
    """mode: normal | coe | target | targetro | forced"""
    S = (yield eff('engine: read state', lambda w: w.S)) if S is None else S
    failed = False
    def save(S2, n):
        return sets('engine saves ' + n, S=S2)
    try:
        if mode != 'targetro':
            L, ctx = yield load()                # check() + diff()
            if 'oldledger' in cfg.r and L is not None and (any(v > len(L.st) for v in ctx['live']) or any(e[1] > L.inc for e in S.pend + ((S.cur,) if S.cur else ()))):
                raise RunFailed('ledger older than the world')
            if 'reapabandon' in cfg.r and L is not None and L.phase == 'confirming':
                dead = [v for v in sorted(ctx['live']) if v <= len(L.st) and L.st[v-1] in ('abandoned', 'retired')]
            else: dead = []
            why = decide(L, ctx, S.cur, mode == 'forced', ret, cfg)
            if why == 'same' and dead: why = 'update'
            for v in dead: yield eff(f'reap v{v}', lambda w, v=v: (setattr(w, 'live', w.live - {v}), setattr(w, 'store', w.store - {v}), setattr(w, 'store2', w.store2 - {v})) and None)
            if why in ('same', 'update'):
                if why == 'update': yield from sv_update(cfg)
            else:
                nid = yield from sv_create(S.cur, mode == 'forced', ret, cfg, not clean)
                S = Eng(nid, S.pend + ((S.cur,) if S.cur else ()), S.nat, S.ra)
                yield save(S, f'cur=v{nid[0]}#{nid[1]}')
        if mode in ('normal', 'coe', 'forced'):
            L, ctx = yield load()
            if L is None: raise RunFailed('no ledger')
            v = S.cur[0]
            ref = (v, L.p) if 'refepoch' in cfg.r else v
            if S.nat != ref:
                k = 0 if clean else (yield ('c', 4 if S.nat is not None else 2, 'native'))
                if S.nat is None:                # first creation: engine and cloud together (a lost create is the engine's problem)
                    if k == 0:
                        S = S._replace(nat=ref); yield sets(f'native created v{v}, saved', N=F([v]), S=S)
                    else: failed = True
                elif k == 0:
                    yield eff(f'native update ok v{v}', lambda w: setattr(w, 'N', F([v])))
                    S = S._replace(nat=ref); yield save(S, f'native v{v}')
                else:
                    if k == 1: yield eff(f'native fails half v{v}', lambda w: setattr(w, 'N', w.N | {v}))
                    if k == 2: yield eff(f'native fails after v{v}', lambda w: setattr(w, 'N', F([v])))
                    failed = True
        if mode != 'target' and not failed and S.cur:
            L, ctx = yield load()
            need = S.ra is None or (S.ra[0] != S.cur[0])
            if 'rodiff' in cfg.r: need = S.ra is None or S.ra != S.cur or L is None or L.useA != F([L.active])
            if need:
                yield from ro_run('A', S.cur[0], cfg, not clean)
                S = S._replace(ra=S.cur); yield save(S, 'rollout A')
    except (RunFailed, Conflict) as e:
        failed = True
        if mode != 'coe': return 'failed'
    if failed and mode != 'coe': return 'failed'
    if mode == 'targetro': return 'ok'
    pend = S.pend
    if len(pend) > 1 and not clean and (yield ('c', 2, 'delete order')): pend = pend[::-1]
    for ent in pend:
        try: yield from sv_delete(ent, True, cfg)
        except (RunFailed, Conflict): return 'failed'
        S = S._replace(pend=tuple(x for x in S.pend if x != ent))
        yield save(S, f'deleted v{ent[0]}#{ent[1]}')
    return 'failed' if failed else 'ok'

def destroy_A(cfg):
    L, ctx = yield load()
    if 'oldledger' in cfg.r and L is not None and any(v > len(L.st) for v in ctx['live']): return 'failed'   # before any side effect
    S = yield eff('engine: read state', lambda w: (w.S, setattr(w, 'bak', False))[0])   # a backup from before a destroy needs `refresh`: not modelled
    try:
        if S.ra:
            L, ctx = yield load()
            if L is not None and L.useA is not None and -1 not in L.useA:
                def f(w):
                    if w.led != L: return False
                    w.led = leave(L, 'useA', cfg); w.CA = F()
                    return True
                f.n = 'rollout A leaves'; must((yield f))
            S = S._replace(ra=None); yield sets('engine saves: no rollout A', S=S)
        if S.nat is not None:
            S = S._replace(nat=None); yield sets('native deleted, saved', N=F(), S=S)
        ents = list(S.pend) + ([S.cur] if S.cur else [])
        if len(ents) > 1 and (yield ('c', 2, 'delete order')): ents = ents[::-1]
        for e in ents:
            yield from sv_delete(e, False, cfg)
            S = S._replace(pend=tuple(x for x in S.pend if x != e), cur=None if S.cur == e else S.cur)
            yield sets(f'engine saves: deleted v{e[0]}#{e[1]}', S=S)
    except (RunFailed, Conflict): return 'failed'
    def fin(w):
        if w.N or w.CA: return                   # a native the engine lost track of (killed create): out of scope
        if w.live or w.store or w.led is not None: raise Violation(f'I4: destroy done, left behind live={sorted(w.live)} store={sorted(w.store)} ledger={w.led is not None}')
    fin.n = 'destroy finished'; yield fin
    return 'ok'

def up_B(cfg, clean=False):
    rb = yield eff('B: read state', lambda w: w.rb)
    L, ctx = yield load()
    if L is None: return 'failed'
    need = rb is None or rb != L.active
    if 'rodiff' in cfg.r: need = rb is None or rb != L.active or L.useB != F([L.active])
    if need:
        try:
            yield from ro_run('B', None, cfg, not clean)
        except (RunFailed, Conflict): return 'failed'
        def f(w): w.rb = w.led.active if w.led else None
        f.n = 'B engine saves'; yield f
    return 'ok'

def destroy_B(cfg):
    L, ctx = yield load()
    if L is not None and L.useB is not None and -1 not in L.useB:
        def f(w):
            if w.led != L: return False
            w.led = leave(L, 'useB', cfg); w.CB = F()
            return True
        f.n = 'rollout B leaves'
        if not (yield f): return 'failed'
    yield sets('B engine saves', rb=None)
    return 'ok'

# ---------------------------------------------------------------- exploration
def run_paths(key, mk, cfg):
    """all paths of one run from world `key`; yields (trace, world key) for every point where it may be killed, and the end."""
    out = {}
    stack = [()]
    while stack:
        choices = stack.pop()
        w = W.of(key); g = mk(); tr = []; i = 0; res = None; ended = False
        try:
            a = next(g)
            while True:
                if isinstance(a, tuple):
                    if i < len(choices): c = choices[i]
                    else:
                        c = 0
                        for k in range(1, a[1]): stack.append(choices[:i] + (k,))
                        choices = choices[:i] + (0,)
                    i += 1; tr.append(f'[{a[2]}={c}]'); a = g.send(c); continue
                r = a(w); tr.append(a.n)
                check_inv(w, cfg)
                k2 = w.key()
                if k2 not in out: out[k2] = (list(tr), True)
                a = g.send(r)
        except StopIteration as e:
            k2 = w.key(); tr.append('= ' + str(e.value))
            out[k2] = (list(tr), False)
        except Violation as e:
            e.trace = tr; raise
        except RecursionError: raise
    return [(t, k, crash) for k, (t, crash) in out.items()]

def run_clean(key, g, cfg):
    w = W.of(key); tr = []
    try:
        a = next(g)
        while True:
            if isinstance(a, tuple): a = g.send(0); continue
            r = a(w); tr.append(a.n); check_inv(w, cfg); a = g.send(r)
    except StopIteration as e: tr.append('= ' + str(e.value))
    except Violation as e:
        e.trace = tr; raise
    return w.key(), tr

def tick(k):
    w = W.of(k)
    if w.led is not None: w.tick = w.led.p
    gone = w.led is not None and w.led.phase == 'tear'
    w.RD = F([w.label]) if w.label and not gone else F()
    w.RD2 = F([w.label2]) if w.label2 and not gone else F()
    return w.key()

def converged(k, cfg):
    w = W.of(k); L = w.led
    if L is None: return 'no ledger'
    if w.S.pend: return f'pending deletes {w.S.pend}'
    if L.phase != 'confirming' or not confirmed(L, cfg): return f'phase {L.phase} confirmed={confirmed(L, cfg)}'
    a = L.active; one = F([a])
    if w.live != one: return f'live {sorted(w.live)} active v{a}'
    if w.store != one or w.label != a: return f'store {sorted(w.store)} label v{w.label} active v{a}'
    if cfg.replica and (w.store2 != one or w.label2 != a): return 'replica'
    if w.S.cur != (a, L.inc): return f'state {w.S.cur} ledger v{a}#{L.inc}'
    if w.N != one or w.CA != one or w.CB not in (F(), one): return 'consumers'
    if a <= w.due: return 'still due'
    if a <= w.comp: return 'still compromised'
    return None

def live_check(key, cfg, memo):
    """(A, B, wait out the grace) x 3, clean."""
    w = W.of(key)
    rets = [False]
    if w.led is not None and w.led.phase == 'confirming' and w.led.prev and not confirmed(w.led, cfg): rets.append(True)
    for ret in rets:
        k = key; trace = []
        for i in range(3):
            m = (k, ret and i == 0)
            if m in memo: k2 = memo[m]
            else:
                k2, t1 = run_clean(k, up_A('normal', cfg, True, ret and i == 0), cfg)
                if cfg.B and W.of(key).rb is not None or (W.of(key).led is not None and W.of(key).led.useB is not None and -1 not in W.of(key).led.useB):
                    k2, t2 = run_clean(k2, up_B(cfg, True), cfg)
                k2 = tick(k2); memo[m] = k2
            k = k2
        why = converged(k, cfg)
        if why:
            t = []; k = key
            for i in range(3):
                k, t1 = run_clean(k, up_A('normal', cfg, True, ret and i == 0), cfg); t.append('A: ' + '; '.join(t1))
                if W.of(key).rb is not None or (W.of(key).led is not None and W.of(key).led.useB is not None and -1 not in W.of(key).led.useB):
                    k, t2 = run_clean(k, up_B(cfg, True), cfg); t.append('B: ' + '; '.join(t2))
                k = tick(k)
            e = Violation(f'I4: 3 clean runs do not converge: {why}'); e.trace = ['clean runs:'] + t; raise e

def successors(key, cfg, rng=None):
    w = W.of(key); L = w.led
    def envs():
        if L is not None and L.active:
            if w.due < L.active and not L.phase == 'tear' and L.active < cfg.maxv: k = W.of(key); k.due = L.active; yield ['ENV due'], k.key(), False
            n = len(L.st)
            if w.comp == 0 and n < cfg.maxv and n > 0: k = W.of(key); k.comp = n; yield [f'ENV compromise of all up to v{n}'], k.key(), False
            t = tick(key)
            if t != key: yield ['ENV time: grace over, caches expire'], t, False
            if w.label and w.RD != F([w.label]) and L.phase != 'tear':
                k = W.of(key); k.RD = F([w.label]); yield ['ENV reader reads current'], k.key(), False
            if cfg.replica and w.label2 and w.RD2 != F([w.label2]) and L.phase != 'tear':
                k = W.of(key); k.RD2 = F([w.label2]); yield ['ENV replica reader reads current'], k.key(), False
        if cfg.lrestore and w.lbak is None and L is not None and L.active: k = W.of(key); k.lbak = (L, w.store, w.label); yield ['ENV backup of store+ledger'], k.key(), False
        if cfg.lrestore and w.lbak not in (None, 'restored') and L is not None and L != w.lbak[0]:
            k = W.of(key); k.led, k.store, k.label = w.lbak; k.lbak = 'restored'; yield ['ENV old store+ledger restored'], k.key(), False
        if w.bak is None and w.S.cur: k = W.of(key); k.bak = w.S; yield ['ENV backup of the state'], k.key(), False
        if w.bak is not None and w.bak is not False and w.S != w.bak and w.S.cur:
            k = W.of(key); k.S = w.bak; k.bak = False; yield ['ENV old state restored'], k.key(), False
    runs = []
    if L is None or (len(L.st) < cfg.maxv or (w.due < L.active and w.comp < L.active)) or L.phase != 'confirming':
        modes = ['normal', 'coe', 'target', 'targetro', 'forced']
    else: modes = ['normal', 'coe', 'target', 'targetro']
    if L is not None and (L.inc >= cfg.maxinc or L.p >= cfg.maxp or len(L.st) > cfg.maxv): modes = []
    for m in modes:
        if m in ('targetro',) and not (w.S.cur and w.S.nat is not None): continue
        if m == 'target' and not w.S.cur: continue
        if m == 'forced' and not w.S.cur: continue
        runs.append(('A up ' + m, lambda m=m: up_A(m, cfg)))
        if L is not None and L.phase == 'confirming' and not confirmed(L, cfg) and L.prev and m in ('normal', 'target', 'coe'):
            runs.append((f'A up {m} (attempts used up: return)', lambda m=m: up_A(m, cfg, False, True)))
    if w.S.cur or w.S.pend: runs.append(('A destroy', lambda: destroy_A(cfg)))
    if cfg.B and L is not None and modes:
        runs.append(('B up', lambda: up_B(cfg)))
        if w.rb is not None: runs.append(('B destroy', lambda: destroy_B(cfg)))
    if rng: rng.shuffle(runs)
    yield from envs()
    for nm, mk in runs:
        try:
            for t, k, crash in run_paths(key, mk, cfg):
                yield ([nm + (' KILLED' if crash else '') + ': '] + t), k, crash
        except Violation as e:
            e.trace = [nm + ': '] + e.trace; raise

def fmt(t): return t[0] + ' '.join(x if x.startswith('[') else x + ';' for x in t[1:]) if len(t) > 1 else t[0]

def bfs(cfg, max_worlds=20000, max_depth=9, secs=150, start=None, live=True, quiet=False):
    t0 = time.time()
    starts = start or [init().key()]
    parent = {s: None for s in starts}; q = deque((s, 0) for s in starts); memo = {}; n_exp = 0; depth_done = 0; trans = 0
    def path(k):
        out = []
        while parent[k]: k, t = parent[k]; out.append(fmt(t))
        return out[::-1]
    try:
        while q and len(parent) < max_worlds and time.time() - t0 < secs:
            k, d = q.popleft(); depth_done = d
            if d >= max_depth: continue
            n_exp += 1; cur = k
            for t, k2, crash in successors(k, cfg):
                trans += 1
                if k2 in parent: continue
                parent[k2] = (k, t)
                cur = k2
                if live and W.of(k2).lbak != 'restored':
                    live_check(k2, cfg, memo)
                cur = k
                q.append((k2, d+1))
    except Violation as e:
        print(f'VIOLATION {e}'); n = 0
        for l in path(cur): n += 1; print(f'  {n}. {l}')
        for l in ([' '.join(x if x.startswith('[') else x + ';' for x in e.trace)] if not e.trace or e.trace[0] != 'clean runs:' else e.trace): print('   >> ' + l)
        print(f'  (worlds {len(parent)}, expanded {n_exp}, transitions {trans}, depth {depth_done}, {time.time()-t0:.0f}s)')
        return False
    print(f'NO VIOLATION worlds={len(parent)} expanded={n_exp} transitions={trans} depth reached={depth_done} queue left={len(q)} {time.time()-t0:.0f}s')
    return True

def walk(cfg, secs, seed, steps=40):
    rng = random.Random(seed); t0 = time.time(); n = 0; m = 0; seen = set(); memo = {}
    while time.time() - t0 < secs:
        k = init().key(); hist = []
        n += 1
        try:
            for _ in range(steps):
                if time.time() - t0 > secs: break
                # one random successor kind, then one random result
                opts = {}
                for t, k2, crash in successors(k, cfg): opts.setdefault(t[0], []).append((t, k2))
                if not opts: break
                ks = list(opts); nm = rng.choice(ks); t, k2 = rng.choice(opts[nm])
                hist.append(fmt(t)); m += 1; k = k2
                if k not in seen:
                    seen.add(k)
                    if W.of(k).lbak != 'restored': live_check(k, cfg, memo)
        except Violation as e:
            print('VIOLATION', e)
            for i, l in enumerate(hist): print(f'  {i+1}. {l}')
            print('   >>', ' '.join(e.trace)); return False
    print(f'NO VIOLATION walks={n} macro steps={m} distinct worlds={len(seen)} {time.time()-t0:.0f}s seed={seed}')
    return True

# ---------------------------------------------------------------- two runs interleaved
def replay(mk, hist):
    g = mk()
    try:
        a = next(g)
        for r in hist: a = g.send(r)
        return a
    except StopIteration as e: return ('end', e.value)

def interleave(start, mka, mkb, cfg, max_nodes=150000, secs=100, crash=True, label='', live=True, rng=None):
    t0 = time.time(); seen = set(); memo = {}; ends = set(); stack = [(start, (), (), ())]
    while stack:
        if len(seen) > max_nodes or time.time() - t0 > secs: break
        j = rng.randrange(max(0, len(stack) - 400), len(stack)) if rng else -1
        stack[j], stack[-1] = stack[-1], stack[j]
        k, ha, hb, tr = stack.pop()
        if (k, ha, hb) in seen: continue
        seen.add((k, ha, hb))
        moves = 0
        for who, h, mk in (('1', ha, mka), ('2', hb, mkb)):
            if h is None: continue
            a = replay(mk, h)
            if isinstance(a, tuple) and a[0] == 'end':
                continue
            moves += 1
            if isinstance(a, tuple):
                for c in range(a[1]):
                    h2 = h + (c,)
                    stack.append((k, h2 if who == '1' else ha, h2 if who == '2' else hb, tr + (f'{who}:[{a[2]}={c}]',)))
                continue
            w = W.of(k)
            try:
                r = a(w); t2 = tr + (f'{who}:{a.n}',)
                check_inv(w, cfg)
            except Violation as e:
                print(f'VIOLATION {label} {e}'); print('   ' + '; '.join(tr + (f'{who}:{a.n}',))); return False
            h2 = h + (r,)
            stack.append((w.key(), h2 if who == '1' else ha, h2 if who == '2' else hb, t2))
        if moves == 0:
            if k not in ends:
                ends.add(k)
                try:
                    if live: live_check(k, cfg, memo)
                except Violation as e:
                    print(f'VIOLATION {label} after both ended: {e}'); print('   ' + '; '.join(tr)); print('   ' + '\n   '.join(e.trace)); return False
        elif crash and ha is not None and hb is not None and len(tr) and not tr[-1].endswith('killed'):
            # one of them is killed here; the other goes on
            if not (isinstance(replay(mka, ha), tuple) and replay(mka, ha)[0] == 'end'): stack.append((k, None, hb, tr + ('1:killed',)))
            if not (isinstance(replay(mkb, hb), tuple) and replay(mkb, hb)[0] == 'end'): stack.append((k, ha, None, tr + ('2:killed',)))
    done = not stack
    print(f'NO VIOLATION {label} nodes={len(seen)} end worlds={len(ends)} {"complete" if done else "CUT"} {time.time()-t0:.0f}s')
    return True

def leased(mk, runid, cfg):
    """broken stack lock: the ledger lease (if the rule is on) makes the second run stop. Lease held in a side variable of the ledger:
    modelled as conf entry ('lease', runid); dropped at the end; a killed holder's lease is taken over (assumed expired)."""
    def g():
        L, ctx = yield load()
        if 'lease' in cfg.r:
            while True:
                L, ctx = yield load()
                if L is None: break
                held = [x for x in L.conf if x[0] == 'lease']
                if held: return 'stopped: lease'
                if (yield commit(L, L._replace(conf=L.conf | {('lease', runid)}), f'lease {runid}')): break
        r = yield from mk()
        if 'lease' in cfg.r:
            while True:
                L, ctx = yield load()
                if L is None: break
                if (yield commit(L, L._replace(conf=F(x for x in L.conf if x[0] != 'lease')), f'lease dropped')): break
        return r
    return g

def scenario(cfg, *steps):
    k = init().key()
    for s in steps:
        if s == 'A': k, _ = run_clean(k, up_A('normal', cfg, True), cfg)
        elif s == 'B': k, _ = run_clean(k, up_B(cfg, True), cfg)
        elif s == 'B0': pass
        elif s == 'bk': w = W.of(k); w.lbak = (w.led, w.store, w.label); k = w.key()
        elif s == 'rs': w = W.of(k); w.led, w.store, w.label = w.lbak; w.lbak = 'restored'; k = w.key()
        elif s == 'A0':                            # first creation: secret and native exist, rollout A never ran
            k, _ = run_clean(k, up_A('target', cfg, True), cfg); w = W.of(k); v = w.S.cur[0]
            w.S = w.S._replace(nat=(v, w.led.p) if 'refepoch' in cfg.r else v); w.N = F([v]); k = w.key()
        elif s == 'due': w = W.of(k); w.due = w.led.active; k = w.key()
        elif s == 'tick': k = tick(k)
        elif s == 'comp': w = W.of(k); w.comp = len(w.led.st); k = w.key()
        elif s[0] == 'Afail':                     # rotate, native ok, rollout A bad etc: choices given
            ch = iter(s[1]); g = up_A('normal', cfg); w = W.of(k)
            try:
                a = next(g)
                while True:
                    if isinstance(a, tuple): a = g.send(next(ch, 0)); continue
                    a = g.send(a(w))
            except StopIteration: pass
            k = w.key()
    return k

def conc(kind, cfg, secs, only=None, rng=None):
    starts = {
      'steady, due':           ('A', 'B', 'tick', 'due'),
      'v2 unconfirmed by B':   ('A', 'B', 'tick', 'due', 'A'),
      'v2 rejected by A':      ('A', 'B', 'tick', 'due', ('Afail', (0, 0, 1))),
      'v2 confirmed, grace over': ('A', 'B', 'tick', 'due', 'A', 'B', 'tick'),
      'v2 confirmed, grace over, compromise': ('A', 'B', 'tick', 'due', 'A', 'B', 'tick', 'comp'),
      'native failed on v2':   ('A', 'B', 'tick', 'due', ('Afail', (0, 1))),
    }
    ok = True
    for nm, st in starts.items():
        if only and only != nm: continue
        try: k = scenario(cfg, *st)
        except Violation as e: print(nm, 'scenario itself violates', e); continue
        w = W.of(k)
        for ret in (False, True):
            if ret and (w.led.phase != 'confirming' or confirmed(w.led, cfg) or not w.led.prev): continue
            a = lambda: up_A('normal', cfg, False, ret)
            if kind == 'ab': b = lambda: up_B(cfg); ma, mb = a, b
            else:
                b = lambda: up_A('normal', cfg, False, False)
                ma, mb = leased(a, 1, cfg), leased(b, 2, cfg)
            ok &= interleave(k, ma, mb, cfg, secs=secs, label=f'{kind} [{nm}{", return" if ret else ""}]', crash=(kind == 'ab' or 'lease' in cfg.r), rng=rng)
    if kind == 'ab' and not only:
        k = scenario(cfg, 'A', 'B', 'tick')
        ok &= interleave(scenario(cfg, 'A', 'tick', 'due', 'A', 'tick'), lambda: up_A('normal', cfg), lambda: up_B(cfg), cfg, secs=secs, label='ab [B registers while A retires]')
        ok &= interleave(scenario(cfg, 'A', 'tick'), lambda: destroy_A(cfg), lambda: up_B(cfg), cfg, secs=secs, label='ab [A destroy || B registers]', live=False)
        ok &= interleave(k, lambda: destroy_A(cfg), lambda: destroy_B(cfg), cfg, secs=secs, label='ab [A destroy || B destroy]', live=False)
    return ok

def main():
    a = sys.argv[1:]; cmd = a[0] if a else 'fixed'
    def opt(n, d, ty=int): return ty(a[a.index(n)+1]) if n in a else d
    rules = set(RULES)
    for x in a:
        if x.startswith('--no') and x[4:] in RULES: rules.discard(x[4:])
    secs = opt('--secs', 150)
    name = opt('--cfg', 'default', str)
    kw = dict(default={}, nograce=dict(grace=False), replica=dict(replica=True), noB=dict(B=False), lrestore=dict(lrestore=True))[name]
    def starts(cfg):
        B = ('B',) if cfg.B else ()
        S = [(), ('A',)+B+('tick', 'due'), ('A',)+B+('tick', 'due', 'A'), ('A', 'tick', 'due'),
             ('A',)+B+('tick', 'due', ('Afail', (0, 0, 1))), ('A',)+B+('tick', 'due', ('Afail', (0, 1)))]
        S += [('A', 'tick', 'B0'), ('A0', 'B', 'due'), ('A', 'B', 'tick', 'due', 'bk', 'A', 'rs'), ('A', 'B', 'tick', 'due', 'bk', 'A', 'B', 'tick', 'A', 'rs')]
        sel = opt('--start', 'all', str)
        if sel != 'all': S = [S[int(sel)]]
        out = []
        for x in S:
            try: out.append(scenario(cfg, *x))
            except Violation as e: print('start', x, 'itself violates:', e)
        for i, k in enumerate(out): print(f'start {i}: {S[i]}')
        return out
    if cmd in ('fixed', 'design'):
        cfg = Cfg(rules if cmd == 'fixed' else set(), **kw)
        return bfs(cfg, opt('--worlds', 60000), opt('--depth', 12), secs, starts(cfg))
    if cmd == 'ablate':
        for r in ([opt('--only', '', str)] if '--only' in a else RULES):
            print(f'--- without {r}: {RULES[r]}', flush=True)
            cfg = Cfg(rules - {r}, **kw); bfs(cfg, opt('--worlds', 60000), opt('--depth', 12), secs, starts(cfg))
        return
    if cmd == 'walk': return walk(Cfg(rules, maxv=7, maxinc=20, maxp=20, **kw), secs, opt('--seed', 1))
    if cmd == 'conc':
        return conc(a[1] if len(a) > 1 and a[1] in ('ab', 'aa') else 'ab', Cfg(rules, **kw), opt('--secs', 40),
                    opt('--scen', None, str), random.Random(opt('--seed', 0)) if '--seed' in a else None)
if __name__ == '__main__':
    sys.exit(0 if main() in (True, None) else 1)
