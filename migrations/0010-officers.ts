import { type Kysely, sql } from 'kysely'

/**
 * Mails that wait to be sent, invitations, and the sign-ins that accounts are linked to.
 *
 * The code of an invitation is nowhere kept, only its hash: it is made when the mail is sent. An invitation has as many
 * codes as its mail was tried: of one that was cut off nobody knows whether it arrived.
 * An officer that is removed leaves no row; the journal keeps what was. Tokens outlive it, revoked.
 */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table mails (
      id uuid primary key,
      purpose text not null,
      about uuid not null,
      recipient text not null,
      locale text not null,
      subject text not null,
      text text not null,
      state text not null default 'WAITING' check (state in ('WAITING', 'SENT', 'LOGGED', 'FAILED', 'WITHDRAWN')),
      attempts integer not null default 0,
      created_at timestamptz(3) not null,
      next_attempt_at timestamptz(3),
      last_error text,
      sent_at timestamptz(3),
      check ((state = 'WAITING') = (next_attempt_at is not null)),
      check ((state = 'SENT') = (sent_at is not null))
    )`.execute(db)
  await sql`create index on mails (next_attempt_at) where state = 'WAITING'`.execute(db)
  await sql`create index on mails (state, id)`.execute(db)
  await sql`create index on mails (recipient, created_at)`.execute(db)
  await sql`
    create table account_identities (
      issuer text not null,
      subject text not null,
      account_id uuid not null references accounts (id),
      linked_at timestamptz(3) not null,
      primary key (issuer, subject)
    )`.execute(db)
  await sql`create index on account_identities (account_id)`.execute(db)
  await sql`alter table officers add id uuid not null default gen_random_uuid() unique`.execute(db)
  await sql`create index on officers (created_at, id)`.execute(db)
  await sql`create index on officers (member_id, created_at, id)`.execute(db)
  await sql`create index on officers (role, created_at, id)`.execute(db)
  await sql`drop index officers_member_id_idx`.execute(db)
  await sql`alter table tokens drop constraint tokens_account_id_member_id_fkey`.execute(db)
  await sql`
    create table invitations (
      id uuid primary key,
      kind text not null check (kind in ('OFFICER', 'STAFF')),
      member_id uuid references members (id),
      role text check (role in ('REPRESENTATIVE', 'LIAISON', 'VIEWER')),
      name text not null,
      email text not null,
      locale text not null,
      actor text not null,
      created_at timestamptz(3) not null,
      expires_at timestamptz(3) not null,
      mail_id uuid not null references mails (id),
      accepted_at timestamptz(3),
      revoked_at timestamptz(3),
      revoked_by text,
      revoked_reason text,
      check ((kind = 'OFFICER') = (member_id is not null)),
      check ((kind = 'OFFICER') = (role is not null)),
      check (accepted_at is null or revoked_at is null),
      check ((revoked_at is null) = (revoked_by is null))
    )`.execute(db)
  await sql`create index on invitations (member_id, id)`.execute(db)
  await sql`create index on invitations (member_id, created_at)`.execute(db)
  await sql`create index on invitations (email)`.execute(db)
  await sql`create index on invitations (id) where accepted_at is null and revoked_at is null`.execute(db)
  await sql`create index on invitations (id) where accepted_at is not null`.execute(db)
  await sql`create index on invitations (id) where revoked_at is not null`.execute(db)
  await sql`
    create table invitation_codes (
      hash bytea primary key,
      invitation_id uuid not null references invitations (id)
    )`.execute(db)
  await sql`create index on invitation_codes (invitation_id)`.execute(db)
}
